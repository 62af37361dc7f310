-- NovelSync: the steps of a write that touch chapters. Private: novelsync_write calls them, in this order.
--
-- p_ids: by place in the request the id of each novel's row; null if only its bookkeeping is written.
-- p_known: the ids of novels that are not new, whose new chapters each get an entry in the change feed.
-- p_body: the request with its texts: see novelsync_write. A text has size bytes and comes after its hash of 32; content
-- says where that is.
-- Each step's json names novels by their place and is decoded in the statement that needs it, and nowhere else.
-- Strict: a step whose list the request lacks is not taken, and looks at no table.

-- p_created: novel, volume, position, number, title, url, content, size.
create or replace function novelsync.insert_chapters(
  p_ids novelsync.novel_id[], p_known novelsync.novel_id[], p_created json, p_body bytea
) returns novelsync.chapter_change[]
language plpgsql strict security invoker set search_path = '' as $$
declare
  v_changes novelsync.chapter_change[];
begin
  with made as (
    insert into public.chapters (novel_id, volume, position, number, title, content, url, content_hash)
    select p_ids[c.novel], c.volume, c.position, c.number, c.title,
           convert_from(substr(p_body, c.content + 32, c.size), 'UTF8'), c.url, substr(p_body, c.content, 32)
    from json_to_recordset(p_created) as c(
      novel integer, volume text, position integer, number numeric, title text, url text, content integer, size integer)
    where p_ids[c.novel] is not null
    returning novel_id, id, position)
  select array_agg(row(m.novel_id, m.id, 'added', '{}', null)::novelsync.chapter_change order by m.novel_id, m.position)
  into v_changes
  from made m where m.novel_id = any (p_known);
  return v_changes;
end
$$;

-- Publishes the new chapters of those large novels that are to be written: each its own, though others may be staged
-- into the same row.
create or replace function novelsync.publish_staged_chapters(
  p_ids novelsync.novel_id[], p_known novelsync.novel_id[], p_slugs text[]
) returns novelsync.chapter_change[]
language plpgsql security invoker set search_path = '' as $$
declare
  v_changes novelsync.chapter_change[];
begin
  with published as (
    update public.chapters c set removed_at = null, created_at = now()
    from novelsync.staged_chapters s
    where s.slug = any (p_slugs) and c.id = s.chapter_id and c.novel_id = any (p_ids) and c.removed_at = 'infinity'
    returning c.novel_id, c.id, c.position)
  select array_agg(row(p.novel_id, p.id, 'added', '{}', null)::novelsync.chapter_change order by p.position)
  into v_changes
  from published p where p.novel_id = any (p_known);
  return v_changes;
end
$$;

-- p_changed: novel, id, volume, position, number, title, url, content and size (both null: the staged text, if there is
-- one; else the text stays).
-- p_slugs: those whose texts were staged.
create or replace function novelsync.change_chapters(
  p_ids novelsync.novel_id[], p_slugs text[], p_changed json, p_body bytea
) returns novelsync.chapter_change[]
language plpgsql strict security invoker set search_path = '' as $$
declare
  v_expected bigint;
  v_found bigint;
  v_changes novelsync.chapter_change[];
begin
  with wanted as materialized (
    select c.novel, c.id, c.volume, c.position, c.number, c.title, c.url,
           convert_from(substr(p_body, c.content + 32, c.size), 'UTF8') as content,
           substr(p_body, c.content, 32) as content_hash
    from json_to_recordset(p_changed) as c(
      novel integer, id novelsync.chapter_id, volume text, position integer, number numeric, title text, url text,
      content integer, size integer)
    where p_ids[c.novel] is not null
  ), changed as (
    update public.chapters t
    set volume = c.volume, position = c.position, number = c.number, title = c.title, url = c.url,
        content = coalesce(c.content, s.content, t.content),
        content_hash = coalesce(c.content_hash, s.content_hash, t.content_hash),
        updated_at = now(), removed_at = null,
        content_updated_at = case when c.content is null and s.content is null then t.content_updated_at else now() end
    from wanted c
         left join novelsync.staged_texts s on s.slug = any (p_slugs) and s.chapter_id = c.id
         join public.chapters o on o.id = c.id
    where t.id = o.id and t.novel_id = p_ids[c.novel]
    returning t.novel_id, t.id, t.position,
      case when o.removed_at is null then 'changed' else 'restored' end as kind,
      array_remove(array[
        case when o.title is distinct from t.title then 'title' end,
        case when o.number is distinct from t.number then 'number' end,
        case when o.url is distinct from t.url then 'url' end,
        case when o.volume is distinct from t.volume then 'volume' end,
        case when c.content is not null or s.content is not null then 'content' end,
        case when o.position <> t.position then 'position' end], null) as fields)
  select (select count(*) from wanted), count(*),
         array_agg(row(c.novel_id, c.id, c.kind, c.fields, null)::novelsync.chapter_change
                   order by c.novel_id, c.position)
  into v_expected, v_found, v_changes
  from changed c;
  if v_found <> v_expected then
    raise exception '% of % chapters to change are no longer in the table', v_expected - v_found, v_expected;
  end if;
  return v_changes;
end
$$;

-- p_moved: novel, ids and their new positions. Returns the places of the novels whose order has changed.
create or replace function novelsync.move_chapters(p_ids novelsync.novel_id[], p_moved json) returns integer[]
language plpgsql strict security invoker set search_path = '' as $$
declare
  v_expected bigint;
  v_found bigint;
  v_places integer[];
begin
  -- Materialized, or every row of the join drags both arrays along: gigabytes for 20,000 chapters.
  with wanted as materialized (
    select m.novel, i.id, i.position
    from json_to_recordset(p_moved) as m(novel integer, ids novelsync.chapter_id[], positions integer[]),
         unnest(m.ids, m.positions) as i(id, position)
    where p_ids[m.novel] is not null
  ), moved as (
    update public.chapters t set position = w.position, updated_at = now()
    from wanted w where t.id = w.id and t.novel_id = p_ids[w.novel]
    returning w.novel)
  select (select count(*) from wanted), count(*), array_agg(distinct m.novel) into v_expected, v_found, v_places
  from moved m;
  if v_found <> v_expected then
    raise exception '% of % chapters to move are no longer in the table', v_expected - v_found, v_expected;
  end if;
  return v_places;
end
$$;

-- Removes chapters from the readers' view; their rows and texts stay. p_removed: novel, ids.
create or replace function novelsync.remove_chapters(
  p_ids novelsync.novel_id[], p_removed json
) returns novelsync.chapter_change[]
language plpgsql strict security invoker set search_path = '' as $$
declare
  v_expected bigint;
  v_found bigint;
  v_changes novelsync.chapter_change[];
begin
  -- Materialized for the same reason as in move_chapters.
  with wanted as materialized (
    select r.novel, i.id
    from json_to_recordset(p_removed) as r(novel integer, ids novelsync.chapter_id[]), unnest(r.ids) as i(id)
    where p_ids[r.novel] is not null
  ), gone as (
    update public.chapters t set removed_at = now(), updated_at = now()
    from wanted w where t.id = w.id and t.novel_id = p_ids[w.novel]
    returning t.novel_id, t.id, t.position)
  select (select count(*) from wanted), count(*),
         array_agg(row(g.novel_id, g.id, 'removed', '{}', null)::novelsync.chapter_change
                   order by g.novel_id, g.position)
  into v_expected, v_found, v_changes
  from gone g;
  if v_found <> v_expected then
    raise exception '% of % chapters to remove are no longer in the table', v_expected - v_found, v_expected;
  end if;
  return v_changes;
end
$$;

-- Remembers which file of its own a chapter's stored text is. The last of these steps, because it names chapters by the
-- positions that they have now. p_texts: novel, positions, files and versions (null: the text is in no such file).
create or replace function novelsync.remember_texts(p_ids novelsync.novel_id[], p_texts json) returns void
language plpgsql strict security invoker set search_path = '' as $$
begin
  with wanted as materialized (
    select c.id, i.file, i.version
    from json_to_recordset(p_texts) as r(novel integer, positions integer[], files text[], versions text[])
    cross join unnest(r.positions, r.files, r.versions) as i(position, file, version)
    join public.chapters c on c.novel_id = p_ids[r.novel] and c.position = i.position and c.removed_at is null
  ), forgotten as (
    delete from novelsync.texts t using wanted w where t.chapter_id = w.id and w.file is null)
  insert into novelsync.texts (chapter_id, file, version)
  select w.id, w.file, w.version from wanted w where w.file is not null
  on conflict (chapter_id) do update set file = excluded.file, version = excluded.version;
end
$$;

-- Remembers how much texts showed that show less now; within a day the most that a text showed. p_shrunk: novel, ids,
-- letters.
create or replace function novelsync.remember_shrunk(p_ids novelsync.novel_id[], p_shrunk json) returns void
language plpgsql strict security invoker set search_path = '' as $$
begin
  insert into novelsync.shrunk as s (chapter_id, novel_id, letters)
  select i.id, p_ids[r.novel], i.letters
  from json_to_recordset(p_shrunk) as r(novel integer, ids novelsync.chapter_id[], letters integer[])
  cross join unnest(r.ids, r.letters) as i(id, letters)
  where p_ids[r.novel] is not null
  on conflict (chapter_id) do update
  set novel_id = excluded.novel_id, letters = excluded.letters,
      since = case when s.letters < excluded.letters or s.since < now() - interval '24 hours' then now() else s.since end;
end
$$;
