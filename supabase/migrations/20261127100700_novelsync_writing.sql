-- NovelSync: writing novels. First the private steps that touch novels and the bookkeeping, then novelsync_write.
--
-- p_novels: all novels of the request. p_due: those of them that are to be written.
-- p_ids: by place in the request the id of each novel's row; null if only its bookkeeping is written.

-- The fields of a novel, and a novel in the request of a write: novelsync_write explains its keys.
do $$
begin
  if to_regtype('novelsync.novel_fields') is null then
    create type novelsync.novel_fields as (title text, author text, description text, cover_url text, status text);
  end if;
  if to_regtype('novelsync.novel_write') is null then
    create type novelsync.novel_write as (
      place integer, slug text, request_id uuid, revision bigint, version text, checksum text, visible boolean,
      staged integer, fields novelsync.novel_fields, is_new boolean, chapter_count integer, chapters_added integer,
      problems_stay boolean, held_in_a_row integer, held text, told boolean, accepted boolean, has_texts boolean,
      blank boolean, result json, former text, former_revision bigint, afresh boolean
    );
  end if;
end
$$;

-- Makes the rows that are missing and locks all, always in the same order, so that two writers never deadlock.
-- Again, if a novel moved to another slug while this waited for its row, which is gone then.
create or replace function novelsync.lock_files(p_novels novelsync.novel_write[]) returns void
language plpgsql security invoker set search_path = '' as $$
declare
  v_made text[];  -- nobody else can lock what nobody else can see
begin
  loop
    with made as (
      insert into novelsync.files (slug)
      select n.slug from unnest(p_novels) n
      where not exists (select from novelsync.files f where f.slug = n.slug)
      order by n.slug collate "C"
      on conflict do nothing
      returning slug)
    select v_made || array_agg(m.slug) into v_made from made m;
    perform from novelsync.files f
    where f.slug in (
      select unnest(array[n.slug, n.former]) from unnest(p_novels) n except select unnest(v_made))
    order by f.slug for update;
    exit when not exists (
      select from unnest(p_novels) n where not exists (select from novelsync.files f where f.slug = n.slug));
  end loop;
end
$$;

-- Refuses a write that answers a message if its run no longer waits for that: the run's report would lack the answer.
create or replace function novelsync.lock_messages(p_run uuid, p_novels novelsync.novel_write[]) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  perform from novelsync.messages m
  where m.run_id = p_run and m.slug in (select n.slug from unnest(p_novels) n where n.result is not null)
  for share;
  if exists (
    select from unnest(p_novels) n
    where n.result is not null and not exists (
      select from novelsync.messages m where m.run_id = p_run and m.slug = n.slug)) then
    raise exception 'run % no longer waits for this', p_run using errcode = 'PT409';
  end if;
end
$$;

-- By place: "written" if this very request was carried out before, "stale" if what it was planned on has changed, "taken"
-- if a row of the site's own has the slug, null if the novel is to be written. Of a new novel, create_novels says that.
create or replace function novelsync.check_revisions(p_novels novelsync.novel_write[]) returns text[]
language plpgsql stable security invoker set search_path = '' as $$
begin
  return array(
    select case when f.request_id = n.request_id then 'written'
                when f.revision <> n.revision then 'stale'
                when n.former is not null and not exists (
                  select from novelsync.files o
                  where o.slug = n.former and o.revision = n.former_revision and o.novel_id is not null) then 'stale'
                when n.staged > 0 and not exists (
                  select from novelsync.staging s
                  where s.slug = n.slug and s.request_id = n.request_id
                    and n.staged = (select count(*) from novelsync.staged_parts p where p.slug = s.slug)) then 'stale'
                when n.visible and (n.staged > 0 or not n.is_new) and novelsync.is_taken(n.slug) then 'taken'
           end
    from unnest(p_novels) n join novelsync.files f on f.slug = n.slug
    order by n.place);
end
$$;

-- By id, the slugs under which readers saw the novels that are about to move. Null if none is.
create or replace function novelsync.former_slugs(p_due novelsync.novel_write[]) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
  if not exists (select from unnest(p_due) n where n.former is not null or n.afresh) then
    return null;
  end if;
  return (
    select jsonb_object_agg(t.id, t.slug)
    from unnest(p_due) n
    join novelsync.files f on f.slug in (n.slug, n.former)
    join public.novels t on t.id = f.novel_id);
end
$$;

-- Lets novels move from slug to slug, all of this call at once, because one may take the slug that another leaves.
-- What goes on under the new slug is the novel that was stored under the former one. What was stored under the new one
-- is a copy that came in meanwhile, and is removed; or, where its file is another novel's now (afresh), it waits for its
-- own to be found, as missing and under a slug that no folder can have.
create or replace function novelsync.move_novels(p_due novelsync.novel_write[]) returns novelsync.chapter_change[]
language plpgsql security invoker set search_path = '' as $$
declare
  v_slugs constant text[] := array(select n.slug from unnest(p_due) n);
  v_moving constant text[] := array(select n.slug from unnest(p_due) n where n.former is not null or n.afresh);
  v_formers constant text[] := array(select n.former from unnest(p_due) n where n.former is not null);
  v_taken novelsync.files[];   -- under the former slugs
  v_copies novelsync.files[];  -- under the new ones, and so are these
  v_others novelsync.files[];
  v_changes novelsync.chapter_change[];
begin
  if cardinality(v_moving) = 0 then
    return null;
  end if;
  v_taken := array(select f from novelsync.files f where f.slug = any (v_formers));
  select array_agg(f) filter (where not n.afresh), array_agg(f) filter (where n.afresh) into v_copies, v_others
  from unnest(p_due) n join novelsync.files f on f.slug = n.slug
  where f.slug = any (v_moving) and f.novel_id is not null
    and f.novel_id not in (select t.novel_id from unnest(v_taken) t);

  with gone as (
    update public.novels t set removed_at = now(), updated_at = now()
    from unnest(v_copies) f where t.id = f.novel_id and t.removed_at is null
    returning t.id
  ), renamed as (
    update public.novels t set slug = t.slug || '/' || t.id, updated_at = now()
    where t.id in (select f.novel_id from unnest(v_taken || v_others) f) and t.removed_at is null
      and t.slug = any (v_slugs)
    returning t.id)
  select array_agg(c.entry) into v_changes
  from (
    select row(g.id, null, 'removed', '{}', null)::novelsync.chapter_change as entry from gone g
    union all
    select row(r.id, null, 'changed', array['slug'], null)::novelsync.chapter_change
    from renamed r where r.id in (select f.novel_id from unnest(v_others) f)) c;

  -- In this order, because no two slugs may have one novel.
  delete from novelsync.files f where f.slug = any (v_formers) and f.slug <> all (v_slugs);
  update novelsync.files f set novel_id = null where f.slug = any (v_moving || v_formers);
  insert into novelsync.files (slug, novel_id, checksum, revision, missing_since, first_seen, first_run, removed_at,
                               removal_accepted, held, held_since, held_changed, has_texts)
  select f.slug || '/' || f.novel_id, f.novel_id,
         -- What is held is none of its bytes.
         case when f.held = '' then f.checksum else '' end,
         f.revision, coalesce(f.missing_since, now()), f.first_seen, f.first_run, f.removed_at, f.removal_accepted,
         f.held, f.held_since, f.held_changed, f.has_texts
  from unnest(v_others) f;
  update novelsync.files f
  set novel_id = t.novel_id, first_seen = t.first_seen, first_run = t.first_run,
      held = t.held, held_since = t.held_since, held_changed = t.held_changed
  from unnest(p_due) n join unnest(v_taken) t on t.slug = n.former
  where f.slug = n.slug;
  return v_changes;
end
$$;

-- Makes the rows of new novels; those of staged ones are there. Returns p_ids; also null if a row of the site's own has
-- the slug.
create or replace function novelsync.create_novels(
  p_novels novelsync.novel_write[], p_outcomes text[]
) returns novelsync.novel_id[]
language plpgsql security invoker set search_path = '' as $$
declare
  v_made jsonb;
begin
  with made as (
    insert into public.novels (slug, title, author, description, cover_url, status, chapter_count, last_chapter_at)
    select n.slug, (n.fields).*, n.chapter_count, case when n.chapter_count > 0 then now() end
    from unnest(p_novels) n join novelsync.files f on f.slug = n.slug
    where f.novel_id is null and n.visible and n.staged = 0 and p_outcomes[n.place] is null
    on conflict (slug) where removed_at is null do nothing
    returning id, slug)
  -- Looked up by key: a join with what was inserted would be planned for a handful of rows, and there may be hundreds.
  select jsonb_object_agg(m.slug, m.id) into v_made from made m;
  return array(
    select case when n.visible and p_outcomes[n.place] is null then
             coalesce(f.novel_id, (v_made ->> n.slug)::novelsync.novel_id, s.novel_id) end
    from unnest(p_novels) n
    join novelsync.files f on f.slug = n.slug
    left join novelsync.staging s on n.staged > 0 and s.slug = n.slug
    order by n.place);
end
$$;

-- Writes the rows of novels that were there before this call, or were staged; those of others were just made.
-- p_reordered: places of novels whose chapters moved. A new novel is one entry, however many chapters it has.
create or replace function novelsync.update_novels(
  p_due novelsync.novel_write[], p_ids novelsync.novel_id[], p_reordered integer[]
) returns novelsync.chapter_change[]
language plpgsql security invoker set search_path = '' as $$
declare
  v_changes novelsync.chapter_change[];
begin
  with changed as (
    update public.novels t
    set slug = n.slug, title = w.title, author = w.author, description = w.description, cover_url = w.cover_url,
        status = w.status, chapter_count = n.chapter_count, updated_at = now(),
        last_chapter_at = case when n.chapters_added > 0 then now() else t.last_chapter_at end,
        removed_at = null
    from unnest(p_due) n
         join public.novels o on o.id = p_ids[n.place]
         cross join lateral (
           select (coalesce(
             n.fields, row(o.title, o.author, o.description, o.cover_url, o.status)::novelsync.novel_fields)).*
         ) as w
    where t.id = o.id and (not n.is_new or n.staged > 0)
    returning t.id, n.is_new, n.place, o.removed_at is not null as restored,
      array_remove(array[
        case when o.slug is distinct from t.slug then 'slug' end,
        case when o.title is distinct from t.title then 'title' end,
        case when o.author is distinct from t.author then 'author' end,
        case when o.description is distinct from t.description then 'description' end,
        case when o.cover_url is distinct from t.cover_url then 'cover_url' end,
        case when o.status is distinct from t.status then 'status' end,
        case when n.place = any (p_reordered) then 'order' end], null) as fields
  ), entries as (
    select 1 as rank, c.place, row(c.id, null, case when c.restored then 'restored' else 'changed' end, c.fields, null)
                               ::novelsync.chapter_change as entry
    from changed c where not c.is_new and (c.restored or cardinality(c.fields) > 0)
    union all
    select 2, n.place, row(p_ids[n.place], null, 'added', '{}', n.chapter_count)::novelsync.chapter_change
    from unnest(p_due) n where n.is_new and p_ids[n.place] is not null)
  select array_agg(e.entry order by e.rank, e.place) into v_changes from entries e;
  return v_changes;
end
$$;

-- Records in the bookkeeping what was written.
create or replace function novelsync.settle_files(
  p_run uuid, p_due novelsync.novel_write[], p_ids novelsync.novel_id[]
) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  update novelsync.files f
  set novel_id = coalesce(p_ids[n.place], f.novel_id), version = n.version, checksum = n.checksum,
      revision = f.revision + 1, request_id = n.request_id, missing_since = null,
      removed_at = case when p_ids[n.place] is null then f.removed_at end,
      removal_accepted = f.removal_accepted and p_ids[n.place] is null,
      held_in_a_row = coalesce(n.held_in_a_row, f.held_in_a_row),
      accepted_at = case when n.accepted then now() else f.accepted_at end,
      held = coalesce(n.held, f.held),
      held_since = case when n.held is null then f.held_since when n.held <> '' then coalesce(f.held_since, now()) end,
      held_changed = case when n.held is null then f.held_changed when n.held = '' or n.told then false
                          else f.held_changed or f.held not in ('', n.held) end,
      has_texts = coalesce(n.has_texts, f.has_texts), blank = coalesce(n.blank, f.blank),
      first_seen = case when n.afresh and n.former is null then now() else f.first_seen end,
      first_run = case when (f.revision = 0 or n.afresh) and n.former is null then p_run else f.first_run end,
      outside_at = case when p_run is null then clock_timestamp() end
  from unnest(p_due) n
  where f.slug = n.slug;

  delete from novelsync.shrunk s using unnest(p_due) n
  where n.accepted and s.novel_id = p_ids[n.place];

  delete from novelsync.staging s using unnest(p_due) n
  where n.staged > 0 and s.slug = n.slug and s.novel_id = any (p_ids);

  -- The first answer counts: if the message came twice at once, the second found the novel already written.
  update novelsync.messages m set result = n.result
  from unnest(p_due) n
  where m.run_id = p_run and m.slug = n.slug and m.result is null and n.result is not null;
end
$$;

-- p_problems: novel, slug, kind, message, hint. They replace the open problems there were before.
create or replace function novelsync.replace_problems(p_due novelsync.novel_write[], p_problems json) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  delete from novelsync.problems p using unnest(p_due) n where p.slug = n.slug and not n.problems_stay;
  insert into novelsync.problems (slug, kind, message, hint)
  select p.slug, p.kind, p.message, p.hint
  from json_to_recordset(p_problems) as p(novel integer, slug text, kind text, message text, hint text)
  where p.novel in (select n.place from unnest(p_due) n);
end
$$;

-- Writes some novels: all of them or, if anything is raised, none. Readers see a novel's changes whole or not at all.
--
-- In: what request_of reads. Its json: run_id, and lists in which every other entry names its novel by its place in the
-- first (no list: nothing of that kind):
--   novels    place (from 1, in order), slug, request_id, revision, version, checksum,
--             visible (false: only the bookkeeping is written),
--             staged (parts that novelsync_stage brought in; 0: none),
--             fields (null: unchanged, else title, author, description, cover_url, status),
--             is_new, chapter_count, chapters_added, problems_stay,
--             held_in_a_row, held (the id of what is held; empty: nothing), has_texts, blank (null: as before),
--             told (somebody who wanted to accept what was held is told what is held now),
--             accepted (what was held was confirmed),
--             result (what is answered to the run's message about this novel; null: there is none),
--             former, former_revision: the slug under which it was stored before its folder was renamed,
--             afresh: what was stored under this slug is another novel (see move_novels for these three)
--   created   chapters that are new
--   changed   chapters whose volume, title, number, url or text changed; content null: the text stays
--   moved     ids and their new positions, where nothing else changed
--   removed   ids that are removed from the readers' view
--   texts     which files of their own the texts are, by the new positions (see remember_texts)
--   shrunk    ids and letters of texts that show less than they did (see remember_shrunk)
--   problems  the novel's open problems from now on (unless its problems_stay is true)
-- Out: per novel "written" (also if this very request was carried out before), "stale" (somebody else has written it
-- since this was planned) or "taken" (a row of the site's own has the slug); nothing is done for the last two.
create or replace function public.novelsync_write(bytea) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_novels novelsync.novel_write[];  -- decoded once, and taken from here by every step
  v_outcomes text[];                 -- by place: written, stale, taken, or null while it is to be written
  v_due novelsync.novel_write[];     -- those that are to be written
  v_ids novelsync.novel_id[];        -- by place, where the visible part is to be written
  v_known novelsync.novel_id[];      -- of these, those that are not new
  v_staged text[];                   -- slugs to publish
  v_reordered integer[];
  v_changes novelsync.chapter_change[];
  v_formers jsonb;                   -- by id, the slugs of novels before any of them moved
begin
  select * into v_request from json_to_record(novelsync.request_of($1)) as r(
    run_id uuid, novels novelsync.novel_write[], created json, changed json, moved json, removed json, texts json,
    shrunk json, problems json);
  v_novels := v_request.novels;

  perform novelsync.assert_lease(v_request.run_id);
  perform novelsync.lock_files(v_novels);
  perform novelsync.lock_messages(v_request.run_id, v_novels);
  v_outcomes := novelsync.check_revisions(v_novels);
  -- What was staged for a write that is not carried out is of no use to anybody.
  if v_outcomes && array['stale', 'taken'] then
    perform novelsync.discard_staging(array(
      select s.slug from unnest(v_novels) n join novelsync.staging s on s.slug = n.slug and s.request_id = n.request_id
      where n.staged > 0 and v_outcomes[n.place] in ('stale', 'taken')));
  end if;

  v_due := array(select n from unnest(v_novels) n where v_outcomes[n.place] is null);
  v_formers := novelsync.former_slugs(v_due);
  v_changes := novelsync.move_novels(v_due);
  v_ids := novelsync.create_novels(v_novels, v_outcomes);
  v_outcomes := array(
    select case when n.visible and v_ids[n.place] is null then coalesce(v_outcomes[n.place], 'taken')
                else v_outcomes[n.place] end
    from unnest(v_novels) n order by n.place);
  v_due := array(select n from unnest(v_due) n where v_outcomes[n.place] is null);
  v_known := array(select v_ids[n.place] from unnest(v_due) n where not n.is_new);
  v_staged := array(select n.slug from unnest(v_due) n where n.staged > 0);

  v_changes := v_changes || novelsync.insert_chapters(v_ids, v_known, v_request.created, $1);
  if cardinality(v_staged) > 0 then
    v_changes := v_changes || novelsync.publish_staged_chapters(v_ids, v_known, v_staged);
  end if;
  v_changes := v_changes || novelsync.change_chapters(v_ids, v_staged, v_request.changed, $1);
  v_reordered := novelsync.move_chapters(v_ids, v_request.moved);
  v_changes := v_changes || novelsync.remove_chapters(v_ids, v_request.removed);
  perform novelsync.remember_texts(v_ids, v_request.texts);
  perform novelsync.remember_shrunk(v_ids, v_request.shrunk);
  v_changes := v_changes || novelsync.update_novels(v_due, v_ids, v_reordered);
  perform novelsync.settle_files(v_request.run_id, v_due, v_ids);
  perform novelsync.replace_problems(v_due, v_request.problems);

  -- Checked here, and not at commit, so that a mistake in the data is this call's error.
  set constraints public.chapters_position immediate;
  perform novelsync.append_changes(v_request.run_id, v_changes, v_formers);
  return (select json_agg(coalesce(o, 'written') order by place) from unnest(v_outcomes) with ordinality as u(o, place));
end
$$;
