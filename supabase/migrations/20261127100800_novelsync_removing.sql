-- NovelSync: what the storage no longer has is marked as missing, then removed from the readers' view, at last purged.

-- Marks stored novels that a complete listing did not have, unmarks those it has again, and forgets what was never
-- stored and is no longer listed. In: run_id, missing, returned, forgotten (slugs).
-- A novel that was written outside of runs since this one began is not marked: the listing may have passed its place
-- before its file came.
create or replace function public.novelsync_mark_missing(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
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
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
  v_removed json;
  v_changes novelsync.chapter_change[];
begin
  select * into v_request from json_to_record($1) as r(
    run_id uuid, slugs text[], revisions bigint[], accepted boolean, held_removals json);
  perform novelsync.assert_lease(v_request.run_id);
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

-- What readers no longer see, and what purging it would come to.
-- In: slug (null: of all novels), days (removed at least so long ago).
-- Out: novels, chapters, bytes (of text), before (the moment that "days" leads to, for novelsync_purge),
-- references: the foreign keys that point at these rows: table, columns, rows (how many; null: not ours to see),
-- forbids, then (what happens to those rows).
create or replace function public.novelsync_removed(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_slug constant text := $1 ->> 'slug';
  v_before constant timestamptz := now() - make_interval(days => coalesce(($1 ->> 'days')::integer, 0));
  v_answer jsonb;
  v_references jsonb := '[]';
  v_key record;
  v_rows bigint;
begin
  select jsonb_build_object(
    'novels', (select count(*) from public.novels n where n.removed_at <= v_before and (v_slug is null or n.slug = v_slug)),
    'chapters', count(*), 'bytes', coalesce(sum(octet_length(c.content)), 0), 'before', v_before)
  into v_answer
  from public.chapters c join public.novels n on n.id = c.novel_id
  where least(c.removed_at, n.removed_at) <= v_before and (v_slug is null or n.slug = v_slug);

  for v_key in
    select k.conrelid::regclass::text as "table", k.confrelid = 'public.novels'::regclass as to_novels,
           string_agg(quote_ident(a.attname), ', ' order by p.place) as columns,
           string_agg(format('r.%I = t.%I', f.attname, a.attname), ' and ' order by p.place) as points,
           k.confdeltype in ('a', 'r') as forbids,
           case k.confdeltype when 'c' then 'they are deleted too' when 'n' then 'their reference becomes null'
                              when 'd' then 'their reference becomes its default' else 'they forbid it' end as then_
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
    begin
      execute format('select count(*) from %s t where exists (%s and %s)', v_key."table",
        case when v_key.to_novels
             then 'select from public.novels r where r.removed_at <= $1 and ($2 is null or r.slug = $2)'
             else 'select from public.chapters r join public.novels n on n.id = r.novel_id
                   where least(r.removed_at, n.removed_at) <= $1 and ($2 is null or n.slug = $2)' end,
        v_key.points) into v_rows using v_before, v_slug;
    exception when insufficient_privilege then
      v_rows := null;
    end;
    v_references := v_references || jsonb_build_object(
      'table', v_key."table", 'columns', v_key.columns, 'rows', v_rows, 'forbids', v_key.forbids, 'then', v_key.then_);
  end loop;
  return (v_answer || jsonb_build_object('references', v_references))::json;
end
$$;

-- Deletes, for good, what novelsync_removed counts, a piece per call. In: slug, before, limit (chapters).
-- Out: novels and chapters that were deleted; nothing is left once both are 0.
create or replace function public.novelsync_purge(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_slug constant text := $1 ->> 'slug';
  v_before constant timestamptz := ($1 ->> 'before')::timestamptz;
  v_chapters novelsync.chapter_id[];
  v_novels novelsync.novel_id[];
  v_deleted bigint;
begin
  select array_agg(c.id), array_agg(distinct c.novel_id) into v_chapters, v_novels
  from (
    select c.id, c.novel_id
    from public.chapters c join public.novels n on n.id = c.novel_id
    where least(c.removed_at, n.removed_at) <= v_before and (v_slug is null or n.slug = v_slug)
    limit ($1 ->> 'limit')::integer) c;
  if v_chapters is null then
    select array_agg(n.id) into v_novels
    from public.novels n where n.removed_at <= v_before and (v_slug is null or n.slug = v_slug);
  end if;

  -- The lock keeps other writes away, and the new revision makes stale what was planned before. The delete looks at
  -- removed_at again, because something may have come back before the lock was taken.
  perform from novelsync.files where novel_id = any (v_novels) order by slug for update;
  update novelsync.files set revision = revision + 1 where novel_id = any (v_novels);

  if v_chapters is not null then
    delete from public.chapters c using public.novels n
    where c.id = any (v_chapters) and n.id = c.novel_id and least(c.removed_at, n.removed_at) <= v_before;
    get diagnostics v_deleted = row_count;
    return json_build_object('novels', 0, 'chapters', v_deleted);
  end if;
  delete from public.novels n where n.id = any (v_novels) and n.removed_at <= v_before;
  get diagnostics v_deleted = row_count;
  return json_build_object('novels', v_deleted, 'chapters', 0);
end
$$;
