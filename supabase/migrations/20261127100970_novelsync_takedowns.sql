-- NovelSync: takedowns: what a person has taken from the readers, and what a run recognises it by, whatever the file, its
-- folder or its rows are called.

create table if not exists novelsync.takedowns (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('novel', 'chapter', 'url', 'text')),
  target text not null,
  title text not null default '',
  reason text not null default '',
  signs json,
  novels integer not null default 0,
  chapters integer not null default 0,
  made_at timestamptz not null default now(),
  lifted_at timestamptz
);
comment on column novelsync.takedowns.target is 'a slug, the id of a chapter, or the beginning of urls';
comment on column novelsync.takedowns.signs is 'what files are compared with; null once it is lifted';
comment on column novelsync.takedowns.chapters is 'that readers saw when it was made';
-- Making the same one again renews it.
create unique index if not exists takedowns_target on novelsync.takedowns (kind, target) where lifted_at is null;

-- What of each file takedowns keep from the readers, as it was when the file was last dealt with.
create table if not exists novelsync.withheld (
  slug text collate "C" primary key references novelsync.files (slug) on delete cascade,
  whole boolean not null,
  chapters integer not null,
  takedowns bigint[] not null
);
comment on column novelsync.withheld.chapters is 'of the file';

-- Rows that takedowns have hidden: no file brings them back. Without foreign keys, so that the entries outlast rows that
-- are deleted and then come back with a backup.
create table if not exists novelsync.withheld_chapters (
  chapter_id novelsync.chapter_id primary key,
  takedowns bigint[] not null
);

-- Remembers rows as hidden by some takedowns.
create or replace function novelsync.withhold_chapters(p_ids novelsync.chapter_id[], p_takedowns bigint[]) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  insert into novelsync.withheld_chapters as w (chapter_id, takedowns)
  select distinct i.id, p_takedowns from unnest(p_ids) as i(id)
  on conflict (chapter_id) do update
  set takedowns = array(select distinct t from unnest(w.takedowns || excluded.takedowns) t order by t);
end
$$;

-- Hides whole novels that readers see, which counts as a removal that a person asked for. Returns what the feed is told.
create or replace function novelsync.hide_novels(p_ids novelsync.novel_id[]) returns novelsync.chapter_change[]
language plpgsql security invoker set search_path = '' as $$
declare
  v_changes novelsync.chapter_change[];
begin
  with hidden as (
    update public.novels n set removed_at = now(), updated_at = now()
    where n.id = any (p_ids) and n.removed_at is null
    returning n.id)
  select array_agg(row(h.id, null, 'removed', '{}', null)::novelsync.chapter_change) into v_changes from hidden h;
  update novelsync.files set removed_at = coalesce(removed_at, now()), removal_accepted = true
  where novel_id = any (p_ids);
  return v_changes;
end
$$;

-- What a takedown would be of. In: kind, target, host (of kind url: in lower case), after (of kind url: the last id of the
-- page before, or null), limit (of kind url).
-- Out: novel (null: there is none; else id, slug, title, author), chapters: a list of {id, slug, title, url, bytes, shown
-- (readers see it), copy_of (it only has the same text as this one of them)}. Of kind url those in which the host stands at all:
-- whoever asks compares the rest. Of copies only those that readers see.
create or replace function public.novelsync_takedown_rows(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_novel novelsync.novel_id;
  v_ids novelsync.chapter_id[];
begin
  select * into v_request from json_to_record($1) as r(kind text, target text, host text, "after" text, "limit" integer);
  if v_request.kind = 'novel' then
    v_novel := (select f.novel_id from novelsync.files f where f.slug = v_request.target);
    v_ids := array(
      select c.id from public.chapters c where c.novel_id = v_novel and c.removed_at is distinct from 'infinity');
  elsif v_request.kind = 'url' then
    v_ids := array(
      select c.id from public.chapters c
      where (v_request."after" is null or c.id > v_request."after"::novelsync.chapter_id)
        and position(v_request.host in lower(c.url)) > 0 and c.removed_at is distinct from 'infinity'
      order by c.id limit v_request."limit");
  else
    v_ids := novelsync.named_chapters(json_build_array(v_request.target));
    v_novel := (select c.novel_id from public.chapters c where c.id = v_ids[1]);
  end if;
  return json_build_object(
    'novel', (
      select json_build_object('id', n.id::text, 'slug', n.slug, 'title', n.title, 'author', n.author)
      from public.novels n where n.id = v_novel),
    'chapters', (
      with named as materialized (
        select c.* from public.chapters c where c.id = any (v_ids)
      ), found as (
        select n.*, null::text as copy_of from named n
        union all
        select c.*, h.id as copy_of
        from (
          select n.content_hash, min(n.id::text) as id from named n
          where octet_length(n.content) >= 200 group by n.content_hash) h
        cross join lateral (
          select * from public.chapters c
          where c.content_hash = h.content_hash and c.removed_at is null and c.id <> all (v_ids) limit 100) c
        where v_request.kind <> 'url')
      select coalesce(json_agg(json_build_object(
        'id', f.id::text, 'slug', n.slug, 'title', f.title, 'url', f.url, 'bytes', octet_length(f.content),
        'shown', f.removed_at is null and n.removed_at is null, 'copy_of', f.copy_of) order by f.copy_of is not null, f.id), '[]')
      from found f join public.novels n on n.id = f.novel_id));
end
$$;

-- Takes something down: hides it, and has every file looked at again by the next run. What others planned before that is
-- stale. In: kind, target, title, reason, signs, slug (of the novel to hide as a whole; null: none), ids (chapters to hide).
-- Out: id, and novels and chapters: how many readers no longer see.
create or replace function public.novelsync_take_down(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_id bigint;
  v_ids novelsync.chapter_id[];
  v_novel novelsync.novel_id;
  v_shown integer := 0;
  v_hidden novelsync.chapter_change[];
  v_novels novelsync.chapter_change[];
begin
  select * into v_request from json_to_record($1) as r(
    kind text, target text, title text, reason text, signs json, slug text, ids json);
  -- In the order in which writes lock them.
  perform from novelsync.files order by slug for update;
  insert into novelsync.takedowns as t (kind, target, title, reason, signs)
  values (v_request.kind, v_request.target, v_request.title, v_request.reason, v_request.signs)
  on conflict (kind, target) where lifted_at is null do update
  set title = excluded.title, signs = excluded.signs, made_at = now(),
      reason = case when excluded.reason = '' then t.reason else excluded.reason end
  returning id into v_id;

  v_ids := novelsync.named_chapters(v_request.ids);
  v_novel := (select f.novel_id from novelsync.files f where f.slug = v_request.slug);
  if v_novel is not null then
    v_shown := coalesce((select n.chapter_count from public.novels n where n.id = v_novel and n.removed_at is null), 0);
    v_novels := novelsync.hide_novels(array[v_novel]);
    insert into novelsync.withheld as w (slug, whole, chapters, takedowns)
    values (v_request.slug, true, v_shown, array[v_id])
    on conflict (slug) do update set whole = true, chapters = greatest(w.chapters, excluded.chapters),
      takedowns = array(select distinct t from unnest(w.takedowns || excluded.takedowns) t order by t);
  end if;
  with hidden as (
    update public.chapters c set removed_at = now(), updated_at = now()
    where c.id = any (v_ids) and c.removed_at is null and c.novel_id is distinct from v_novel
    returning c.novel_id, c.id, c.position)
  select array_agg(row(h.novel_id, h.id, 'removed', '{}', null)::novelsync.chapter_change order by h.novel_id, h.position)
  into v_hidden
  from hidden h;
  perform novelsync.withhold_chapters(v_ids, array[v_id]);
  insert into novelsync.withheld as w (slug, whole, chapters, takedowns)
  select f.slug, false, count(*), array[v_id]
  from unnest(v_hidden) h join novelsync.files f on f.novel_id = h.novel_id group by f.slug
  on conflict (slug) do update set chapters = w.chapters + excluded.chapters,
    takedowns = array(select distinct t from unnest(w.takedowns || excluded.takedowns) t order by t);
  update novelsync.takedowns
  set novels = novels + coalesce(cardinality(v_novels), 0),
      chapters = chapters + v_shown + coalesce(cardinality(v_hidden), 0)
  where id = v_id;
  -- Any file may have it too, under whatever name.
  update novelsync.files set version = '', revision = revision + 1 where slug <> '';
  if v_hidden is not null then
    perform novelsync.close_up(array(select distinct h.novel_id from unnest(v_hidden) h), v_hidden);
  end if;
  perform novelsync.append_changes(null, v_novels);
  return json_build_object('id', v_id, 'novels', coalesce(cardinality(v_novels), 0),
                           'chapters', v_shown + coalesce(cardinality(v_hidden), 0));
end
$$;

-- Takedowns, the newest first. In: signs (with those, and only what is in force).
-- Out: a list of {id, kind, target, title, reason, novels, chapters, made_at, lifted_at, signs}.
create or replace function public.novelsync_takedowns(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_signs constant boolean := coalesce(($1 ->> 'signs')::boolean, false);
begin
  return (
    select coalesce(json_agg(json_build_object(
      'id', t.id, 'kind', t.kind, 'target', t.target, 'title', t.title, 'reason', t.reason, 'novels', t.novels,
      'chapters', t.chapters, 'made_at', t.made_at, 'lifted_at', t.lifted_at,
      'signs', case when v_signs then t.signs end) order by t.id desc), '[]')
    from novelsync.takedowns t where not v_signs or t.lifted_at is null);
end
$$;

-- Ends a takedown; what it kept back is read again by the next run, which restores what the files still have.
-- In: id. Out: lifted (false: there is none in force with this id), files (to be read again).
create or replace function public.novelsync_lift(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_id constant bigint := ($1 ->> 'id')::bigint;
  v_slugs text[];
begin
  v_slugs := array(
    select w.slug from novelsync.withheld w where v_id = any (w.takedowns)
    union
    select f.slug from novelsync.withheld_chapters w
    join public.chapters c on c.id = w.chapter_id join novelsync.files f on f.novel_id = c.novel_id
    where v_id = any (w.takedowns));
  perform from novelsync.files where slug = any (v_slugs) order by slug for update;
  update novelsync.takedowns set lifted_at = now(), signs = null where id = v_id and lifted_at is null;
  if not found then
    return json_build_object('lifted', false, 'files', 0);
  end if;
  update novelsync.withheld_chapters set takedowns = array_remove(takedowns, v_id) where v_id = any (takedowns);
  delete from novelsync.withheld_chapters where takedowns = '{}';
  -- Without its checksum, so that its chapters are matched again although its bytes are the same.
  update novelsync.files set version = '', checksum = '', revision = revision + 1 where slug = any (v_slugs);
  return json_build_object('lifted', true, 'files', cardinality(v_slugs));
end
$$;

-- Records what takedowns keep back of some files, before that is written; a novel that is kept back as a whole is hidden
-- here. In: run_id, novels: a list of {slug, revision (another one by now: nothing is recorded), whole, chapters,
-- takedowns (none: nothing is kept back any more), ids (rows that the write is to remove)}.
create or replace function public.novelsync_withhold(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_run constant uuid := ($1 ->> 'run_id')::uuid;
  v_each record;
  v_novels novelsync.novel_id[];
begin
  perform novelsync.assert_lease(v_run);
  insert into novelsync.files (slug)
  select n.slug from json_to_recordset($1 -> 'novels') as n(slug text, takedowns bigint[])
  where n.slug not in (select f.slug from novelsync.files f)
  order by n.slug collate "C"
  on conflict do nothing;
  for v_each in
    select n.*, f.novel_id, f.slug as stored
    from json_to_recordset($1 -> 'novels') as n(
      slug text, revision bigint, whole boolean, chapters integer, takedowns json, ids json)
    join novelsync.files f on f.slug = n.slug and f.revision = n.revision
    order by f.slug for update of f
  loop
    if json_array_length(v_each.takedowns) = 0 then
      delete from novelsync.withheld where slug = v_each.slug;
      continue;
    end if;
    insert into novelsync.withheld (slug, whole, chapters, takedowns)
    values (v_each.slug, v_each.whole, v_each.chapters,
            array(select t::bigint from json_array_elements_text(v_each.takedowns) t))
    on conflict (slug) do update
    set whole = excluded.whole, chapters = excluded.chapters, takedowns = excluded.takedowns;
    if v_each.whole then
      v_novels := v_novels || v_each.novel_id;
    end if;
    perform novelsync.withhold_chapters(
      novelsync.named_chapters(v_each.ids), array(select t::bigint from json_array_elements_text(v_each.takedowns) t));
  end loop;
  if cardinality(v_novels) > 0 then
    perform novelsync.append_changes(v_run, novelsync.hide_novels(v_novels));
  end if;
  return '{}';
end
$$;

-- Has files read again that takedowns concern although nothing in them has changed: of rows that came back with a backup,
-- of files that somebody stored while a takedown was made, of what a lifted one still keeps back.
-- p_since: the start of the run before.
create or replace function novelsync.enforce_takedowns(p_since timestamptz) returns void
language plpgsql security invoker set search_path = '' as $$
declare
  v_slugs text[];
begin
  if not exists (select from novelsync.takedowns) then
    return;
  end if;
  v_slugs := array(
    select f.slug
    from novelsync.withheld_chapters w join public.chapters c on c.id = w.chapter_id
    join novelsync.files f on f.novel_id = c.novel_id
    where c.removed_at is null
      and not exists (select from novelsync.withheld h where h.slug = f.slug and h.whole)
    union
    select f.slug
    from novelsync.withheld w join novelsync.files f on f.slug = w.slug join public.novels n on n.id = f.novel_id
    where w.whole and n.removed_at is null
    union
    select w.slug from novelsync.withheld w
    where exists (select from novelsync.takedowns t where t.id = any (w.takedowns) and t.lifted_at is not null)
    union
    -- Whoever stored a new novel then may have known of no takedown.
    select f.slug from novelsync.files f
    where f.first_seen >= (select min(t.made_at) from novelsync.takedowns t where t.made_at >= p_since) - interval '1 hour');
  if cardinality(v_slugs) > 0 then
    perform from novelsync.files where slug = any (v_slugs) order by slug for update;
    update novelsync.files set version = '', checksum = '', revision = revision + 1
    where slug = any (v_slugs) and version <> '';
  end if;
end
$$;
