-- NovelSync: what the storage no longer has is marked as missing, then removed from the readers' view, at last purged.

-- Marks stored novels that a complete listing did not have, unmarks those it has again, and forgets what was never
-- stored and is no longer listed. In: run_id, missing, returned, forgotten (slugs).
-- A novel that was written outside of runs since this one began is not marked: the listing may have passed its place
-- before its file came.
create or replace function public.novelsync_mark_missing(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
begin
  perform novelsync.assert_lease(($1 ->> 'run_id')::uuid);
  -- In the order in which writes lock them, so that the two never deadlock.
  perform from novelsync.files
  where slug in (select json_array_elements_text($1 -> list) from unnest(array['missing', 'returned', 'forgotten']) as list)
  order by slug for update;
  update novelsync.files f set missing_since = now()
  where f.slug in (select json_array_elements_text($1 -> 'missing')) and f.missing_since is null
    and not exists (select from novelsync.lease l where l.singleton and f.outside_at >= l.acquired_at);
  update novelsync.files set missing_since = null
  where slug in (select json_array_elements_text($1 -> 'returned')) and missing_since is not null;
  delete from novelsync.files
  where slug in (select json_array_elements_text($1 -> 'forgotten')) and novel_id is null;
  return '{}';
end
$$;

-- Removes missing novels from the readers' view; their rows and texts stay.
-- In: run_id, slugs and their revisions (a novel with another one is left as it is), accepted (a person asked for it),
-- held_removals (what would have been too much at once and so is not among them: {novels, message, hint, id, changed};
-- null: nothing).
-- Out: removed, the slugs.
create or replace function public.novelsync_remove(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_removed json;
  v_changes novelsync.chapter_change[];
begin
  select * into v_request from json_to_record($1) as r(
    run_id uuid, slugs text[], revisions bigint[], accepted boolean, held_removals json);
  perform novelsync.assert_lease(v_request.run_id, p_changes => true);
  perform from novelsync.files where slug = any (v_request.slugs) order by slug for update;
  with gone as (
    update novelsync.files f
    set removed_at = now(), removal_accepted = v_request.accepted, revision = f.revision + 1
    from unnest(v_request.slugs, v_request.revisions) as n(slug, revision)
    where f.slug = n.slug and f.revision = n.revision
      and f.missing_since is not null and f.removed_at is null and f.novel_id is not null
    returning f.novel_id
  ), hidden as (
    update public.novels t set removed_at = now(), updated_at = now()
    from gone where t.id = gone.novel_id and t.removed_at is null
    returning t.id)
  select array_agg(row(h.id, null, 'removed', '{}', null)::novelsync.chapter_change) into v_changes from hidden h;
  -- From the table, so that a call that is repeated after a lost answer gets the same one.
  select coalesce(json_agg(f.slug), '[]') into v_removed
  from unnest(v_request.slugs, v_request.revisions) as n(slug, revision)
  join novelsync.files f on f.slug = n.slug and f.revision = n.revision + 1 and f.removed_at is not null;
  update novelsync.lease set held_removals = v_request.held_removals where run_id = v_request.run_id;
  perform novelsync.append_changes(v_request.run_id, v_changes);
  return json_build_object('removed', v_removed);
end
$$;

-- Which rows were removed is asked of tables in which hardly any were. Cheap: a row that readers see is in neither.
create index if not exists novels_removed_at on public.novels (removed_at) where removed_at < 'infinity';
create index if not exists chapters_removed_at on public.chapters (removed_at) where removed_at < 'infinity';

-- Ids that a person gives, of whatever type the table has: those that are chapters'. One that is staged is none yet.
create or replace function novelsync.named_chapters(p_ids json) returns novelsync.chapter_id[]
language plpgsql stable security invoker set search_path = '' as $$
declare
  v_given text;
  v_found novelsync.chapter_id[] := '{}';
begin
  for v_given in select json_array_elements_text(p_ids) loop
    begin
      v_found := v_found || array(
        select c.id::novelsync.chapter_id from public.chapters c
        where c.id = v_given::novelsync.chapter_id and c.removed_at is distinct from 'infinity');
    exception when data_exception then
      null;  -- no id of this table looks like that
    end;
  end loop;
  return v_found;
end
$$;

-- The chapters that a purge comes to.
-- p_ids: these, and with p_published also those that readers see. Empty: those that were removed by p_before, with those
-- of removed novels; of one slug, or (null) of all. p_blank: only those in which there is something to empty.
create or replace function novelsync.chapters_to_purge(
  p_ids novelsync.chapter_id[], p_published boolean, p_slug text, p_before timestamptz, p_blank boolean, p_limit integer
) returns novelsync.chapter_id[]
language plpgsql stable security invoker set search_path = '' as $$
begin
  if cardinality(p_ids) > 0 then
    return array(
      select c.id from public.chapters c join public.novels n on n.id = c.novel_id
      where c.id = any (p_ids) and (p_published or least(c.removed_at, n.removed_at) <= p_before)
        and not (p_blank and c.removed_at is not null
                 and novelsync.is_blank(c.volume, c.number, c.title, c.content, c.url))
      limit p_limit);
  end if;
  -- In two halves that share no row, because each has an index, and none would serve both at once.
  return array(
    select c.id from (
      select r.id, r.removed_at, r.volume, r.number, r.title, r.content, r.url
      from public.chapters r join public.novels n on n.id = r.novel_id
      where r.removed_at < 'infinity' and r.removed_at <= p_before and (p_slug is null or n.slug = p_slug)
      union all
      select r.id, r.removed_at, r.volume, r.number, r.title, r.content, r.url
      from public.novels n join public.chapters r on r.novel_id = n.id
      where n.removed_at < 'infinity' and n.removed_at <= p_before and (p_slug is null or n.slug = p_slug)
        and (r.removed_at is null or r.removed_at > p_before)) c
    where not (p_blank and c.removed_at is not null
               and novelsync.is_blank(c.volume, c.number, c.title, c.content, c.url))
    limit p_limit);
end
$$;

-- The removed novels whose rows a purge comes to, once their chapters are done.
create or replace function novelsync.novels_to_purge(
  p_slug text, p_before timestamptz, p_blank boolean
) returns novelsync.novel_id[]
language plpgsql stable security invoker set search_path = '' as $$
begin
  return array(
    select n.id from public.novels n
    where n.removed_at < 'infinity' and n.removed_at <= p_before and (p_slug is null or n.slug = p_slug)
      and not (p_blank and n.title = '' and coalesce(n.author, n.description, n.cover_url, n.status) is null));
end
$$;

-- The site's rows that point at some novels and chapters, one entry per foreign key: table, columns, rows (how many;
-- null: not ours to see), keys (the columns that name such a row: its primary key or, without one, those that point),
-- first (these of the first five), forbids, then (what happens to those rows).
create or replace function novelsync.references_to(
  p_novels novelsync.novel_id[], p_chapters novelsync.chapter_id[]
) returns jsonb
language plpgsql stable security invoker set search_path = '' set enable_seqscan = on as $$
declare
  v_answer jsonb := '[]';
  v_key record;
  v_pointing text;
  v_rows bigint;
  v_first jsonb;
begin
  for v_key in
    select k.conrelid::regclass::text as "table", k.confrelid = 'public.novels'::regclass as to_novels,
           string_agg(quote_ident(a.attname), ', ' order by p.place) as columns,
           string_agg(format('r.%I = t.%I', f.attname, a.attname), ' and ' order by p.place) as points,
           k.confdeltype in ('a', 'r') as forbids,
           case k.confdeltype when 'c' then 'they are deleted too' when 'n' then 'their reference becomes null'
                              when 'd' then 'their reference becomes its default' else 'they forbid it' end as then_,
           (select array_agg(quote_ident(b.attname) order by i.place)
            from pg_catalog.pg_constraint o
            cross join lateral unnest(o.conkey) with ordinality as i(number, place)
            join pg_catalog.pg_attribute b on b.attrelid = o.conrelid and b.attnum = i.number
            where o.conrelid = k.conrelid and o.contype = 'p') as keys,
           array_agg(quote_ident(a.attname) order by p.place) as pointing
    from pg_catalog.pg_constraint k
    cross join lateral unnest(k.conkey, k.confkey) with ordinality as p(here, there, place)
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = p.here
    join pg_catalog.pg_attribute f on f.attrelid = k.confrelid and f.attnum = p.there
    where k.contype = 'f' and k.confrelid in ('public.novels'::regclass, 'public.chapters'::regclass)
      and not (k.conrelid = 'public.chapters'::regclass and k.confrelid = 'public.novels'::regclass)
      and k.conrelid <> 'public.chapter_changes'::regclass
      and k.connamespace <> 'novelsync'::regnamespace
    group by k.oid, k.conrelid, k.confrelid, k.confdeltype
    order by 1, 3
  loop
    v_pointing := format('from %s t where exists (select from public.%s r where r.id in (select unnest($1)) and %s)',
                         v_key."table", case when v_key.to_novels then 'novels' else 'chapters' end, v_key.points);
    v_first := '[]';
    begin
      if v_key.to_novels then
        execute 'select count(*) ' || v_pointing into v_rows using p_novels;
      else
        execute 'select count(*) ' || v_pointing into v_rows using p_chapters;
      end if;
      v_key.keys := coalesce(v_key.keys, v_key.pointing);
      if v_rows > 0 then
        v_pointing := format('select jsonb_agg(f.named) from (select concat_ws('', '', %s) as named %s order by %s limit 5) f',
                             't.' || array_to_string(v_key.keys, ', t.'), v_pointing,
                             't.' || array_to_string(v_key.keys, ', t.'));
        if v_key.to_novels then
          execute v_pointing into v_first using p_novels;
        else
          execute v_pointing into v_first using p_chapters;
        end if;
      end if;
    exception when insufficient_privilege then
      v_rows := null;
    end;
    v_answer := v_answer || jsonb_build_object(
      'table', v_key."table", 'columns', v_key.columns, 'rows', v_rows, 'forbids', v_key.forbids, 'then', v_key.then_,
      'keys', array_to_string(coalesce(v_key.keys, v_key.pointing), ', '), 'first', v_first);
  end loop;
  return v_answer;
end
$$;

-- What a purge would come to. Without sequential scans, because the statistics may be older than what was removed.
-- In: slug (null: of all novels), days (removed at least so long ago), chapters (a list of ids: these alone, published
-- or not; empty: what slug and days say), blank (leave out what is empty already).
-- Out: novels, chapters, bytes (of text), before (the moment that "days" leads to, for novelsync_purge), published (those
-- of the named chapters that readers see: id, title, slug), unknown (named, and no chapter's), references (see
-- references_to).
create or replace function public.novelsync_removed(json) returns json
language plpgsql security invoker
set search_path = '' set statement_timeout = '55s' set jit = off set enable_seqscan = off as $$
declare
  v_request record;
  v_before timestamptz;
  v_named novelsync.chapter_id[];
  v_chapters novelsync.chapter_id[];
  v_novels novelsync.novel_id[] := '{}';
begin
  select * into v_request from json_to_record($1) as r(slug text, days integer, chapters json, blank boolean);
  v_before := now() - make_interval(days => coalesce(v_request.days, 0));
  v_named := novelsync.named_chapters(coalesce(v_request.chapters, '[]'));
  if json_array_length(coalesce(v_request.chapters, '[]')) = 0 then
    v_novels := novelsync.novels_to_purge(v_request.slug, v_before, coalesce(v_request.blank, false));
  end if;
  if cardinality(v_named) > 0 or json_array_length(coalesce(v_request.chapters, '[]')) = 0 then
    v_chapters := novelsync.chapters_to_purge(
      v_named, true, v_request.slug, v_before, coalesce(v_request.blank, false), null);
  end if;
  return (
    select json_build_object(
      'novels', cardinality(v_novels),
      'chapters', count(c.id), 'bytes', coalesce(sum(octet_length(c.content)), 0), 'before', v_before,
      'published', coalesce(json_agg(json_build_object('id', c.id::text, 'title', c.title, 'slug', n.slug)
                                     order by n.slug, c.position)
                            filter (where c.removed_at is null and n.removed_at is null), '[]'),
      'unknown', (
        select coalesce(json_agg(u.id), '[]')
        from json_array_elements_text(coalesce(v_request.chapters, '[]')) as u(id)
        where cardinality(novelsync.named_chapters(json_build_array(u.id))) = 0),
      'references', novelsync.references_to(v_novels, v_chapters))
    from unnest(v_chapters) as p(id)
    join public.chapters c on c.id = p.id
    join public.novels n on n.id = c.novel_id);
end
$$;

-- Takes chapters out of the order of their novels, whose others close up, and tells the feed. Called when these are
-- hidden or deleted. p_entries: what becomes of the chapters themselves.
create or replace function novelsync.close_up(
  p_novels novelsync.novel_id[], p_entries novelsync.chapter_change[]
) returns void
language plpgsql security invoker set search_path = '' as $$
declare
  v_changes novelsync.chapter_change[];
begin
  update public.chapters c set position = o.place, updated_at = now()
  from (
    select r.id, row_number() over (partition by r.novel_id order by r.position) as place
    from public.chapters r where r.novel_id = any (p_novels) and r.removed_at is null) o
  where c.id = o.id and c.position <> o.place;
  update public.novels n
  set updated_at = now(),
      chapter_count = (select count(*) from public.chapters c where c.novel_id = n.id and c.removed_at is null)
  where n.id = any (p_novels);
  select array_agg(row(p.id, null, 'changed', array['order'], null)::novelsync.chapter_change) into v_changes
  from unnest(p_novels) as p(id);
  perform novelsync.append_changes(null, v_changes || p_entries);
end
$$;

-- Deletes for good what novelsync_removed counts, a piece per call; or (blank) empties it for good and keeps the rows,
-- which count as removed. In: slug, chapters, before, published (named chapters go even if readers see them), blank,
-- limit (chapters).
-- Out: novels and chapters that it did; nothing is left once both are 0.
create or replace function public.novelsync_purge(json) returns json
language plpgsql security invoker
set search_path = '' set statement_timeout = '55s' set jit = off set enable_seqscan = off as $$
declare
  v_request record;
  v_named novelsync.chapter_id[];
  v_chapters novelsync.chapter_id[] := '{}';
  v_novels novelsync.novel_id[];
  v_shown novelsync.chapter_change[];  -- of those that readers see
  v_done bigint;
begin
  select * into v_request from json_to_record($1) as r(
    slug text, chapters json, before timestamptz, published boolean, blank boolean, "limit" integer);
  v_named := novelsync.named_chapters(coalesce(v_request.chapters, '[]'));
  if cardinality(v_named) > 0 or json_array_length(coalesce(v_request.chapters, '[]')) = 0 then
    v_chapters := novelsync.chapters_to_purge(
      v_named, v_request.published, v_request.slug, v_request.before, v_request.blank, v_request."limit");
    v_novels := array(select distinct c.novel_id from public.chapters c where c.id = any (v_chapters));
  end if;
  if cardinality(v_chapters) = 0 and json_array_length(coalesce(v_request.chapters, '[]')) = 0 then
    v_novels := novelsync.novels_to_purge(v_request.slug, v_request.before, v_request.blank);
  end if;

  -- The lock keeps other writes away, and the new revision makes stale what was planned before. What follows looks at
  -- removed_at again, because something may have come back before the lock was taken.
  perform from novelsync.files where novel_id = any (v_novels) order by slug for update;
  update novelsync.files set revision = revision + 1 where novel_id = any (v_novels);

  if cardinality(v_chapters) = 0 then
    if v_request.blank then
      with emptied as (
        update public.novels n
        set title = '', author = null, description = null, cover_url = null, status = null, chapter_count = 0,
            updated_at = now()
        where n.id = any (v_novels) and n.removed_at <= v_request.before
        returning n.id
      ), let_go as (
        -- As if the row were deleted: no folder has it any more, so nothing goes on with its id.
        update novelsync.files f set novel_id = null, version = '', checksum = ''
        from emptied e where f.novel_id = e.id)
      select count(*) into v_done from emptied;
    else
      delete from public.novels n where n.id = any (v_novels) and n.removed_at <= v_request.before;
      get diagnostics v_done = row_count;
    end if;
    return json_build_object('novels', v_done, 'chapters', 0);
  end if;

  select array_agg(row(c.novel_id, c.id, 'removed', '{}', null)::novelsync.chapter_change order by c.novel_id, c.position)
  into v_shown
  from public.chapters c join public.novels n on n.id = c.novel_id
  where c.id = any (v_chapters) and c.removed_at is null and n.removed_at is null and v_request.published;
  if v_request.blank then
    with emptied as (
      update public.chapters c
      set volume = null, number = null, title = '', content = '', url = '', content_hash = sha256(''),
          updated_at = now(), content_updated_at = now(), removed_at = coalesce(c.removed_at, n.removed_at, now())
      from public.novels n
      where c.id = any (v_chapters) and n.id = c.novel_id
        and (v_request.published or least(c.removed_at, n.removed_at) <= v_request.before)
      returning c.id
    ), forgotten as (
      delete from novelsync.texts t using emptied e where t.chapter_id = e.id
    ), unmeasured as (
      delete from novelsync.shrunk s using emptied e where s.chapter_id = e.id
    ), unstaged as (
      delete from novelsync.staged_texts s using emptied e where s.chapter_id = e.id)
    select count(*) into v_done from emptied;
  else
    delete from public.chapters c using public.novels n
    where c.id = any (v_chapters) and n.id = c.novel_id
      and (v_request.published or least(c.removed_at, n.removed_at) <= v_request.before);
    get diagnostics v_done = row_count;
  end if;
  if v_shown is not null then
    -- An entry about a row that is gone would go with it.
    perform novelsync.close_up(
      array(select distinct s.novel_id from unnest(v_shown) s), case when v_request.blank then v_shown end);
  end if;
  return json_build_object('novels', 0, 'chapters', v_done);
end
$$;
