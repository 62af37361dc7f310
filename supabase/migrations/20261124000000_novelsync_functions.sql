-- NovelSync: every read and write of a sync, each one function that takes one JSON and answers one JSON.
--
-- One unnamed json argument, which the REST API fills with the request's body as it is. Never overload one of these: a
-- function whose arguments have the names of the body's keys would be called in its place.
-- plpgsql, because the REST API shares prepared plans across roles, and an inlined SQL function loses its "revoke".
-- No function ever raises 40001, which the REST API would retry for ever.

-- Refuses a write of a run whose lease has passed on. Null: not part of a run (an event, a single novel).
create or replace function novelsync.fence(p_run uuid) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  if p_run is null then
    return;
  end if;
  perform from novelsync.lease where run_id = p_run for key share;
  if not found then
    raise exception 'run % no longer holds the lease', p_run using errcode = 'PT409';
  end if;
end
$$;

-- Takes away what a write that never finished left behind. None of it was ever visible.
create or replace function novelsync.sweep(p_slugs text[]) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  delete from public.chapters c using novelsync.staging s
    where s.slug = any (p_slugs) and c.novel_id = s.novel_id and c.removed_at = 'infinity';
  delete from public.novels n using novelsync.staging s
    where s.slug = any (p_slugs) and n.id = s.novel_id and n.removed_at = 'infinity';
  delete from novelsync.staging where slug = any (p_slugs);
end
$$;

-- Writes entries into the change feed, as the last step of what they tell of. In the order given, novels first.
-- The lock is kept until the commit: so ids are in the order of commits, and a reader who has seen one has seen all before.
create or replace function novelsync.tell(p_run uuid, p_changes novelsync.chapter_change[]) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  if cardinality(p_changes) = 0 then
    return;
  end if;
  perform pg_advisory_xact_lock(4061789025113);
  insert into public.chapter_changes (novel_id, chapter_id, kind, fields, chapter_count, run_id)
  select c.novel_id, c.chapter_id, c.kind, c.fields, c.chapter_count, p_run
  from unnest(p_changes) with ordinality as c(novel_id, chapter_id, kind, fields, chapter_count, place)
  order by c.chapter_id is not null, c.place;
end
$$;

-- The standing problems: at most 100 rows, the gravest first, how many there are of each kind, and how many novels are
-- held: each that keeps something its file no longer has, and all whose removal would have been too much at once.
-- In: slugs (only theirs; null: all, and the held removals), without (not theirs),
-- present (also of these, though they are marked as missing).
create or replace function public.novelsync_problems(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_slugs text[];
  v_without constant text[] := array(select json_array_elements_text($1 -> 'without'));
  v_present constant text[] := array(select json_array_elements_text($1 -> 'present'));
  v_held json;
begin
  if $1 ->> 'slugs' is not null then
    v_slugs := array(select json_array_elements_text($1 -> 'slugs'));
  else
    v_held := (select l.held from novelsync.lease l where l.singleton);
  end if;
  return (
    with standing as materialized (
      select p.slug, p.kind, p.message, p.hint, 1 as novels
      from novelsync.problems p join novelsync.files f on f.slug = p.slug
      where (f.missing_since is null or p.slug = any (v_present))
        and (v_slugs is null or p.slug = any (v_slugs)) and p.slug <> all (v_without)
      union all
      select '', 'held', v_held ->> 'message', v_held ->> 'hint', (v_held ->> 'novels')::integer where v_held is not null)
    select json_build_object(
      'counts', (
        select coalesce(json_object_agg(k.kind, k.n), '{}')
        from (select s.kind, count(*) as n from standing s group by s.kind) k),
      'held', (select coalesce(sum(s.novels), 0) from standing s where s.kind = 'held'),
      'problems', (
        select coalesce(json_agg(json_build_object(
          'slug', s.slug, 'kind', s.kind, 'message', s.message, 'hint', s.hint)), '[]')
        from (
          select * from standing s
          order by array_position(array['refused', 'held'], s.kind) nulls last, s.slug
          limit 100) s)));
end
$$;

-- What the last run left for the next one, the digest apart; changes nothing.
create or replace function public.novelsync_peek(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
begin
  return json_build_object(
    'schema', novelsync.version(),
    'resume_at', (select resume_at from novelsync.lease where singleton),
    'missing', (select count(*) from novelsync.files where missing_since is not null and removed_at is null),
    'removed_lately', (
      select count(*) from novelsync.files where removed_at > now() - interval '24 hours' and not removal_accepted),
    'held', (select held from novelsync.lease where singleton),
    'standing', public.novelsync_problems('{}'));
end
$$;

-- Starts a run. In: run_id, trigger, holder, seconds.
-- Out: acquired; if not: holder, since; if so: the digest, and as "left" what novelsync_peek says.
-- The digest is handed out to one run, as often as that run asks, because an answer may be lost. A run that dies leaves
-- none, so that the next one looks at everything. And it is withheld where there is something to do though no file
-- changed: a novel to be looked at again, one whose rows somebody deleted, one that was written outside of runs.
create or replace function public.novelsync_begin(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
  v_lease novelsync.lease;
  v_dead text[];
  v_quiet boolean;
begin
  select * into v_request
  from json_to_record($1) as r(run_id uuid, trigger text, holder text, seconds integer, schema text);
  if v_request.schema > novelsync.version() then
    return json_build_object('schema', novelsync.version());
  end if;
  select * into v_lease from novelsync.lease where singleton for no key update;
  if v_lease.run_id <> v_request.run_id and v_lease.expires_at > clock_timestamp() then
    return json_build_object('schema', novelsync.version(), 'acquired', false,
                             'holder', v_lease.holder, 'since', v_lease.acquired_at);
  end if;
  -- A call that was given up on may arrive after the run that made it again has ended.
  if exists (select from novelsync.runs r where r.run_id = v_request.run_id and r.report is not null) then
    return json_build_object('schema', novelsync.version(), 'acquired', false,
                             'holder', 'this very run, which has ended', 'since', v_lease.acquired_at);
  end if;
  if v_lease.run_id not in ('00000000-0000-0000-0000-000000000000', v_request.run_id) then
    v_lease.digest := null;
  end if;

  -- Changing the key waits for the writes of whoever held it before.
  update novelsync.lease
  set run_id = v_request.run_id, holder = v_request.holder, acquired_at = clock_timestamp(),
      digest = v_lease.digest,
      expires_at = clock_timestamp() + make_interval(secs => v_request.seconds)
  where singleton;

  update novelsync.runs set finished_at = clock_timestamp(), outcome = 'failed'
  where finished_at is null and run_id <> v_request.run_id;
  insert into novelsync.runs (run_id, trigger) values (v_request.run_id, v_request.trigger) on conflict do nothing;
  delete from novelsync.messages where run_id <> v_request.run_id;

  -- No other run is alive now; what is not a run's gets an hour. Mostly there is nothing, and then no lock is taken.
  select array_agg(s.slug) into v_dead from novelsync.staging s
  where s.run_id is distinct from v_request.run_id
    and (s.run_id is not null or s.touched_at < now() - interval '1 hour');
  if v_dead is not null then
    -- What is under way comes to its end first, and is then alive after all.
    perform from novelsync.files f where f.slug = any (v_dead) order by f.slug for update;
    select array_agg(s.slug) into v_dead from novelsync.staging s
    where s.slug = any (v_dead) and s.run_id is distinct from v_request.run_id
      and (s.run_id is not null or s.touched_at < now() - interval '1 hour');
    perform novelsync.sweep(v_dead);
  end if;

  v_quiet := not exists (select from novelsync.files where outside_at >= v_lease.digest_since)
    and not exists (
      select from novelsync.files f
      where (f.version = '' or f.novel_id is null) and f.missing_since is null
        and (f.version = '' or not exists (
          select from novelsync.problems p where p.slug = f.slug and p.kind = 'refused')));

  return json_build_object(
    'schema', novelsync.version(),
    'acquired', true,
    'digest', case when v_quiet then v_lease.digest end,
    'left', public.novelsync_peek('{}'));
end
$$;

-- Keeps the lease. In: run_id, seconds, resume_at (where the next run begins, should this one die; null: as before).
-- Out: held.
create or replace function public.novelsync_renew(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r(run_id uuid, seconds integer, resume_at text);
  update novelsync.lease
  set expires_at = clock_timestamp() + make_interval(secs => v_request.seconds),
      resume_at = coalesce(v_request.resume_at, resume_at)
  where run_id = v_request.run_id;
  return json_build_object('held', found);
end
$$;

-- Ends a run: stores its report and gives the lease back. Runs and changes of more than 30 days ago are forgotten.
-- In: run_id, outcome, report, digest, quiet (it was the digest that begin had handed out), resume_at.
create or replace function public.novelsync_finish(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
begin
  select * into v_request
  from json_to_record($1) as r(
    run_id uuid, outcome text, report json, digest text, quiet boolean, resume_at text);

  -- Once: asked again after a lost answer, it ended when it ended.
  update novelsync.runs
  set finished_at = clock_timestamp(), outcome = v_request.outcome, report = v_request.report
  where run_id = v_request.run_id and report is null;
  delete from novelsync.runs where finished_at < now() - interval '30 days';
  delete from public.chapter_changes where changed_at < now() - interval '30 days';

  update novelsync.lease
  set run_id = '00000000-0000-0000-0000-000000000000', expires_at = '-infinity', holder = '',
      digest = v_request.digest, resume_at = v_request.resume_at,
      digest_since = case when v_request.quiet then digest_since else acquired_at end
  where run_id = v_request.run_id;
  return json_build_object('released', found);
end
$$;

-- A page of the bookkeeping in the order in which storages list. In: after (a slug with a slash behind it, or ''), limit.
-- Out: arrays by column, because rows of objects cost twice as much.
create or replace function public.novelsync_known(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r("after" text, "limit" integer);
  return (
    select json_build_object(
      'slug', coalesce(json_agg(f.slug), '[]'),
      'version', coalesce(json_agg(f.version), '[]'),
      'revision', coalesce(json_agg(f.revision), '[]'),
      'stored', coalesce(json_agg(f.novel_id is not null and f.removed_at is null), '[]'),
      'removed', coalesce(json_agg(f.novel_id is not null and f.removed_at is not null), '[]'),
      'missing_for', coalesce(json_agg(extract(epoch from now() - f.missing_since)), '[]'),
      'refused', coalesce(json_agg(exists (
        select from novelsync.problems p where p.slug = f.slug and p.kind = 'refused')), '[]'))
    from (
      select * from novelsync.files
      where (slug || '/') > v_request."after" collate "C"
      order by (slug || '/')
      limit v_request."limit"
    ) f);
end
$$;

-- What the tables have of some novels. In: novels, a list of {slug, checksum, whole}; verify.
-- Out: one entry per slug that the bookkeeping has. Its chapters come along if a checksum is given that is not the known
-- one, if the novel is removed, or if "whole" asks for them: arrays by column, the published ones first (so many are
-- published), and by id the texts of under 2,000 bytes. As arrays, because json_agg puts a blank behind each comma.
-- verify: hashes are taken from the texts themselves; the hash of a row that lies about its text is empty.
-- By index only: while statistics are older than a first import, the planner takes the table for empty.
create or replace function public.novelsync_read(json) returns json
language plpgsql stable security invoker
set search_path = '' set statement_timeout = '55s' set enable_seqscan = off as $$
declare
  v_verify constant boolean := coalesce(($1 ->> 'verify')::boolean, false);
begin
  return (
    select coalesce(json_agg(json_build_object(
      'slug', f.slug,
      'revision', f.revision,
      'version', f.version,
      'same', f.checksum = r.checksum and f.novel_id is not null,
      'removed', coalesce(n.removed_at is not null, false),
      'holds', f.holds,
      'held', exists (select from novelsync.problems p where p.slug = f.slug and p.kind = 'held'),
      'chapter_count', coalesce(n.chapter_count, 0),
      'shown_as', coalesce(n.slug, f.slug),
      'novel', case when w.whole and n.id is not null then
        json_build_object('title', n.title, 'author', n.author, 'description', n.description,
                          'cover_url', n.cover_url, 'status', n.status) end,
      'chapters', case when w.whole and n.id is not null then (
        select json_build_object(
          'id', coalesce(array_to_json(array_agg(c.id::text)), '[]'),
          'position', coalesce(array_to_json(array_agg(c.position)), '[]'),
          'number', coalesce(array_to_json(array_agg(c.number::text)), '[]'),
          'title', coalesce(array_to_json(array_agg(c.title)), '[]'),
          'url_hash', coalesce(array_to_json(array_agg(
            case when c.url = '' then '' else encode(substr(sha256(convert_to(c.url, 'UTF8')), 1, 9), 'base64') end)), '[]'),
          'content_hash', coalesce(array_to_json(array_agg(case
            when v_verify and sha256(convert_to(c.content, 'UTF8')) <> c.content_hash then ''
            else rtrim(encode(c.content_hash, 'base64'), '=') end)), '[]'),
          'content_bytes', coalesce(array_to_json(array_agg(octet_length(c.content))), '[]'),
          'short_texts', coalesce(json_object_agg(c.id::text, c.content) filter (where octet_length(c.content) < 2000), '{}'),
          'published', count(*) filter (where c.removed_at is null))
        from (
          select * from public.chapters c
          where c.novel_id = f.novel_id and c.removed_at is distinct from 'infinity'
          order by c.removed_at is not null, c.position, c.id
        ) c) end)), '[]')
    from json_to_recordset($1 -> 'novels') as r(slug text, checksum text, whole boolean)
    join novelsync.files f on f.slug = r.slug
    left join public.novels n on n.id = f.novel_id
    cross join lateral (
      select coalesce(r.whole or f.checksum <> r.checksum or (r.checksum is not null and n.removed_at is not null), false)
    ) as w(whole));
end
$$;

-- Which novels that the storage no longer has are there under another name: same bytes, or more than half of their texts.
-- In: novels, a list of {slug, checksum, texts (hashes in hex)} as read; null: novels that are stored already, first seen
-- in the last week and by a later run than those they may be. missing: slugs besides those marked as missing.
-- Out: a list of {slug, former}, the surest first; each slug may come more than once.
-- One that was removed counts for a week, so that it may be missing under both names for a while.
create or replace function public.novelsync_renamed(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_given constant boolean := $1 ->> 'novels' is not null;
  v_missing constant text[] := array(select json_array_elements_text($1 -> 'missing'));
begin
  return (
    with gone as materialized (
      select f.slug, f.novel_id, f.checksum, f.first_seen, f.first_run
      from novelsync.files f
      where f.novel_id is not null and (f.missing_since is not null or f.slug = any (v_missing))
        and (f.removed_at is null or f.removed_at > now() - interval '7 days')
    ), heirs as materialized (
      select h.slug, h.checksum, null::novelsync.novel_id as novel_id, 'infinity'::timestamptz as first_seen,
             null::uuid as first_run
      from json_to_recordset(case when v_given then $1 -> 'novels' else '[]' end) as h(slug text, checksum text)
      union all
      select f.slug, f.checksum, f.novel_id, f.first_seen, f.first_run
      from novelsync.files f
      where not v_given and f.novel_id is not null and f.removed_at is null
        and f.missing_since is null and f.slug <> all (v_missing)
        and f.first_seen > greatest(now() - interval '7 days', (select min(g.first_seen) from gone g))
        and not exists (select from novelsync.problems p where p.slug = f.slug and p.kind = 'refused')
    ), gone_texts as materialized (
      select distinct g.slug, c.content_hash
      from gone g join public.chapters c on c.novel_id = g.novel_id
      where exists (select from heirs) and c.removed_at is null and octet_length(c.content) > 0
    ), totals as (
      select t.slug, count(*) as texts from gone_texts t group by t.slug
    ), heir_texts as (
      select distinct h.slug, decode(t.hash, 'hex') as content_hash
      from json_to_recordset(case when v_given then $1 -> 'novels' else '[]' end) as h(slug text, texts json),
           json_array_elements_text(h.texts) as t(hash)
      union all
      select distinct h.slug, c.content_hash
      from heirs h join public.chapters c on c.novel_id = h.novel_id
      where c.removed_at is null and octet_length(c.content) > 0
    ), alike as (
      select h.slug, g.slug as former, false as same, count(*) as texts
      from gone_texts g join heir_texts h on h.content_hash = g.content_hash join totals t on t.slug = g.slug
      group by h.slug, g.slug, t.texts
      having 2 * count(*) > t.texts
      union all
      select h.slug, g.slug, true, 0 from gone g join heirs h on h.checksum = g.checksum where g.checksum <> ''
    )
    select coalesce(json_agg(json_build_object('slug', a.slug, 'former', a.former)
                             order by a.same desc, a.texts desc, a.former, a.slug), '[]')
    from alike a join gone g on g.slug = a.former join heirs h on h.slug = a.slug
    where a.slug <> a.former and g.first_seen < h.first_seen
      and (g.first_run is null or h.first_run is null or g.first_run <> h.first_run));
end
$$;

-- Brings one part of a large novel in, out of the readers' sight. Parts come in order; one that came already is passed over.
-- In: run_id, slug, request_id, revision, former, former_revision, afresh (see novelsync_write), part (from 1), created
-- (new chapters), texts (text for stored chapters).
-- Out: outcome "staged", or "stale": somebody else wrote the novel since, or is just bringing it in.
create or replace function public.novelsync_stage(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
  v_file novelsync.files;
  v_staging novelsync.staging;
begin
  select * into v_request from json_to_record($1) as r(
    run_id uuid, slug text, request_id uuid, revision bigint, former text, former_revision bigint, afresh boolean,
    part integer, created json, texts json);
  perform novelsync.fence(v_request.run_id);

  -- The first part makes room, alone; those that follow may come several at once, and in any order.
  if v_request.part = 1 then
    insert into novelsync.files (slug) values (v_request.slug) on conflict do nothing;
    select * into v_file from novelsync.files where slug = v_request.slug for update;
  else
    select * into v_file from novelsync.files where slug = v_request.slug for share;
  end if;
  if v_file.request_id = v_request.request_id then
    return json_build_object('outcome', 'staged');
  end if;

  select * into v_staging from novelsync.staging where slug = v_request.slug;
  if v_file.revision <> v_request.revision then
    if v_staging.request_id = v_request.request_id then
      perform novelsync.sweep(array[v_request.slug]);
    end if;
    return json_build_object('outcome', 'stale');
  end if;
  if v_staging.request_id is distinct from v_request.request_id then
    -- Whoever came first goes on. What has not moved for a minute is somebody's who died.
    if v_request.part > 1 or v_staging.touched_at > now() - interval '1 minute' then
      return json_build_object('outcome', 'stale');
    end if;
    perform novelsync.sweep(array[v_request.slug]);
    if v_request.former is not null then
      v_staging.novel_id := (
        select f.novel_id from novelsync.files f
        where f.slug = v_request.former and f.revision = v_request.former_revision);
      if v_staging.novel_id is null then
        return json_build_object('outcome', 'stale');
      end if;
    elsif not v_request.afresh then
      v_staging.novel_id := v_file.novel_id;
    end if;
    if v_staging.novel_id is null then
      insert into public.novels (slug, title, removed_at) values (v_request.slug, v_request.slug, 'infinity')
      returning id into v_staging.novel_id;
    end if;
    insert into novelsync.staging (slug, request_id, run_id, novel_id)
    values (v_request.slug, v_request.request_id, v_request.run_id, v_staging.novel_id)
    returning * into v_staging;
  end if;
  insert into novelsync.staged_parts (slug, part) values (v_request.slug, v_request.part) on conflict do nothing;
  if not found then
    return json_build_object('outcome', 'staged');
  end if;

  insert into public.chapters (novel_id, position, number, title, content, url, content_hash, removed_at)
  select v_staging.novel_id, c.position, c.number, c.title, c.content, c.url, decode(c.content_hash, 'hex'), 'infinity'
  from json_to_recordset(v_request.created) as c(
    position integer, number numeric, title text, content text, url text, content_hash text);

  insert into novelsync.staged_texts (slug, chapter_id, content, content_hash)
  select v_request.slug, t.id::novelsync.chapter_id, t.content, decode(t.content_hash, 'hex')
  from json_to_recordset(v_request.texts) as t(id text, content text, content_hash text);

  -- Last, because it makes the other parts wait for this one's end.
  update novelsync.staging set touched_at = greatest(touched_at, now()) where slug = v_request.slug;
  return json_build_object('outcome', 'staged');
end
$$;

-- Writes some novels, all of them or, if anything is raised, none. Each is whole or not at all for readers.
--
-- In: run_id, and lists in which every other entry names its novel by its place (from 1) in the first:
--   novels    slug, request_id, revision, version, checksum, visible (false: only the bookkeeping moves),
--             staged (parts that novelsync_stage brought in; 0: none),
--             fields (null: unchanged, else title, author, description, cover_url, status),
--             is_new, chapter_count, chapters_added, problems_stay, holds (null: as before),
--             result (what is answered to the run's message about this novel; null: there is none),
--             former, former_revision: the slug under which it was stored before its folder was renamed; its rows go on
--             under the new one, and those of a copy that came in under the new one are taken from the readers,
--             afresh: what was removed under this slug was another novel, and is left
--   created   chapters that are new
--   changed   chapters whose title, number, url or text changed; content null: the text stays
--   moved     ids and their new positions, where nothing else changed
--   removed   ids that are taken from the readers
--   problems  what stands against the novel from now on, in place of what stood before
--             (unless the novel's problems_stay is true)
-- Out: per novel "written" (also if this very request was carried out before), "stale" (somebody else wrote it since it
-- was planned) or "taken" (a row of the site's own has the slug); nothing was done of the last two.
create or replace function public.novelsync_write(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
  v_outcomes text[];          -- per novel: written, stale, or null while it is to be written
  v_ids novelsync.novel_id[]; -- per novel whose visible part is to be written
  v_left novelsync.novel_id[];-- per novel what was another one, and is left
  v_new boolean[];            -- per novel: it is new, and told of as a whole
  v_old novelsync.novel_id[]; -- those that are not
  v_staged text[];            -- slugs to publish
  v_changes novelsync.chapter_change[] := '{}';
  v_more novelsync.chapter_change[];
  v_expected bigint;
  v_found bigint;
begin
  select * into v_request from json_to_record($1) as r(
    run_id uuid, novels json, created json, changed json, moved json, removed json, problems json);
  perform novelsync.fence(v_request.run_id);

  -- In one order, so that two writers never wait for each other.
  insert into novelsync.files (slug)
  select n.slug from json_to_recordset(v_request.novels) as n(slug text)
  where not exists (select from novelsync.files f where f.slug = n.slug)
  order by n.slug collate "C"
  on conflict do nothing;
  perform from novelsync.files f
  where f.slug in (
    select unnest(array[n.slug, n.former]) from json_to_recordset(v_request.novels) as n(slug text, former text))
  order by f.slug for update;

  -- What is answered for a run that waits no longer would be missing from its report; so it is not done.
  perform from novelsync.messages m
  where m.run_id = v_request.run_id
    and m.slug in (select n.slug from json_to_recordset(v_request.novels) as n(slug text, result json)
                   where json_typeof(n.result) = 'object')
  for share;
  if exists (
    select from json_to_recordset(v_request.novels) as n(slug text, result json)
    where json_typeof(n.result) = 'object' and not exists (
      select from novelsync.messages m where m.run_id = v_request.run_id and m.slug = n.slug)) then
    raise exception 'run % no longer waits for this', v_request.run_id using errcode = 'PT409';
  end if;

  select array_agg(case when f.request_id = n.request_id then 'written'
                        when f.revision <> n.revision then 'stale'
                        when n.former is not null and not exists (
                          select from novelsync.files o
                          where o.slug = n.former and o.revision = n.former_revision and o.novel_id is not null) then 'stale'
                        when n.staged > 0 and not exists (
                          select from novelsync.staging s
                          where s.slug = n.slug and s.request_id = n.request_id
                            and n.staged = (select count(*) from novelsync.staged_parts p where p.slug = s.slug)) then 'stale'
                   end order by n.place),
         array_agg(n.slug) filter (where n.staged > 0)
  into v_outcomes, v_staged
  from rows from (json_to_recordset(v_request.novels)
                  as (slug text, request_id uuid, revision bigint, former text, former_revision bigint, staged integer))
       with ordinality as n(slug, request_id, revision, former, former_revision, staged, place)
  join novelsync.files f on f.slug = n.slug;

  -- What was brought in for a write that went stale is of no use to anybody.
  if v_staged is not null and 'stale' = any (v_outcomes) then
    perform novelsync.sweep(array(
      select s.slug
      from rows from (json_to_recordset(v_request.novels) as (slug text, request_id uuid)) with ordinality
           as n(slug, request_id, place)
      join novelsync.staging s on s.slug = n.slug and s.request_id = n.request_id
      where v_outcomes[n.place] = 'stale'));
  end if;

  -- Renamed folders: the older rows go on under the new slug.
  with gone as (
    update public.novels t set removed_at = now(), updated_at = now()
    from rows from (json_to_recordset(v_request.novels) as (slug text, former text)) with ordinality as n(slug, former, place)
    join novelsync.files f on f.slug = n.slug
    where n.former is not null and v_outcomes[n.place] is null and t.id = f.novel_id and t.removed_at is null
    returning t.id)
  select array_agg(row(g.id, null, 'removed', '{}', null)::novelsync.chapter_change) into v_more from gone g;
  v_changes := v_changes || v_more;
  with left_behind as (
    delete from novelsync.files f
    using rows from (json_to_recordset(v_request.novels) as (former text)) with ordinality as n(former, place)
    where f.slug = n.former and v_outcomes[n.place] is null
    returning f.slug, f.novel_id, f.first_seen, f.first_run)
  update novelsync.files f set novel_id = o.novel_id, first_seen = o.first_seen, first_run = o.first_run
  from json_to_recordset(v_request.novels) as n(slug text, former text)
  join left_behind o on o.slug = n.former
  where f.slug = n.slug;

  select array_agg(case when n.afresh then f.novel_id end order by n.place) into v_left
  from rows from (json_to_recordset(v_request.novels) as (slug text, afresh boolean)) with ordinality
       as n(slug, afresh, place)
  join novelsync.files f on f.slug = n.slug;

  -- New novels. The conflict is with a row of the site's own.
  with made as (
    insert into public.novels (slug, title, author, description, cover_url, status, chapter_count, last_chapter_at)
    select n.slug, n.fields ->> 'title', n.fields ->> 'author', n.fields ->> 'description', n.fields ->> 'cover_url',
           n.fields ->> 'status', n.chapter_count, case when n.chapter_count > 0 then now() end
    from rows from (json_to_recordset(v_request.novels)
                    as (slug text, visible boolean, staged integer, fields json, chapter_count integer)) with ordinality
         as n(slug, visible, staged, fields, chapter_count, place)
    join novelsync.files f on f.slug = n.slug
    where f.novel_id is not distinct from v_left[n.place] and n.visible and n.staged = 0 and v_outcomes[n.place] is null
    on conflict (slug) where removed_at is null do nothing
    returning id, slug)
  update novelsync.files f set novel_id = made.id from made where f.slug = made.slug;

  select array_agg(case when v_outcomes[n.place] is null and n.visible then i.id end order by n.place),
         array_agg(coalesce(v_outcomes[n.place], case when n.visible and i.id is null then 'taken' end)
                   order by n.place),
         array_agg(n.is_new order by n.place),
         array_agg(i.id) filter (where not n.is_new)
  into v_ids, v_outcomes, v_new, v_old
  from rows from (json_to_recordset(v_request.novels)
                  as (slug text, visible boolean, is_new boolean, staged integer)) with ordinality
       as n(slug, visible, is_new, staged, place)
  join novelsync.files f on f.slug = n.slug
  left join novelsync.staging s on n.staged > 0 and s.slug = n.slug
  cross join lateral (
    select case when f.novel_id is distinct from v_left[n.place] then f.novel_id else s.novel_id end) as i(id);

  with made as (
    insert into public.chapters (novel_id, position, number, title, content, url, content_hash)
    select v_ids[c.novel], c.position, c.number, c.title, c.content, c.url, decode(c.content_hash, 'hex')
    from json_to_recordset(v_request.created) as c(
      novel integer, position integer, number numeric, title text, content text, url text, content_hash text)
    where v_ids[c.novel] is not null
    returning novel_id, id, position)
  select array_agg(row(m.novel_id, m.id, 'added', '{}', null)::novelsync.chapter_change order by m.novel_id, m.position)
  into v_more
  from made m where m.novel_id = any (v_old);
  v_changes := v_changes || v_more;

  if v_staged is not null then
    with published as (
      update public.chapters c set removed_at = null
      from novelsync.staging s
      where s.slug = any (v_staged) and c.novel_id = s.novel_id and c.removed_at = 'infinity'
        and s.novel_id = any (v_ids)
      returning c.novel_id, c.id, c.position)
    select array_agg(row(p.novel_id, p.id, 'added', '{}', null)::novelsync.chapter_change order by p.position) into v_more
    from published p where p.novel_id = any (v_old);
    v_changes := v_changes || v_more;
  end if;

  select count(*) into v_expected
  from json_to_recordset(v_request.changed) as c(novel integer) where v_ids[c.novel] is not null;
  with changed as (
    update public.chapters t
    set position = c.position, number = c.number, title = c.title, url = c.url,
        content = coalesce(c.content, s.content, t.content),
        content_hash = coalesce(decode(c.content_hash, 'hex'), s.content_hash, t.content_hash),
        updated_at = now(), removed_at = null,
        content_updated_at = case when c.content is null and s.content is null then t.content_updated_at else now() end
    from json_to_recordset(v_request.changed) as c(
           novel integer, id text, position integer, number numeric, title text, url text, content text,
           content_hash text)
         left join novelsync.staged_texts s
           on s.slug = any (v_staged) and s.chapter_id = c.id::novelsync.chapter_id
         join public.chapters o on o.id = c.id::novelsync.chapter_id
    where t.id = o.id and t.novel_id = v_ids[c.novel]
    returning t.novel_id, t.id, t.position,
      case when o.removed_at is null then 'changed' else 'restored' end as kind,
      array_remove(array[
        case when o.title is distinct from t.title then 'title' end,
        case when o.number is distinct from t.number then 'number' end,
        case when o.url is distinct from t.url then 'url' end,
        case when c.content is not null or s.content is not null then 'content' end,
        case when o.position <> t.position then 'position' end], null) as fields)
  select count(*),
         array_agg(row(c.novel_id, c.id, c.kind, c.fields, null)::novelsync.chapter_change
                   order by c.novel_id, c.position)
  into v_found, v_more from changed c;
  v_changes := v_changes || v_more;
  if v_found <> v_expected then
    raise exception '% of % chapters to change are no longer in the table', v_expected - v_found, v_expected;
  end if;

  select count(*) into v_expected
  from json_to_recordset(v_request.moved) as m(novel integer, ids json), json_array_elements(m.ids)
  where v_ids[m.novel] is not null;
  -- Materialized, or every row of the join drags both arrays along: gigabytes for 20,000 chapters.
  with i as materialized (
    select m.novel, i.id::novelsync.chapter_id as id, i.position::integer as position
    from json_to_recordset(v_request.moved) as m(novel integer, ids json, positions json),
         rows from (json_array_elements_text(m.ids), json_array_elements_text(m.positions)) as i(id, position))
  update public.chapters t set position = i.position, updated_at = now()
  from i where t.id = i.id and t.novel_id = v_ids[i.novel];
  get diagnostics v_found = row_count;
  if v_found <> v_expected then
    raise exception '% of % chapters to move are no longer in the table', v_expected - v_found, v_expected;
  end if;

  select count(*) into v_expected
  from json_to_recordset(v_request.removed) as r(novel integer, ids json), json_array_elements(r.ids)
  where v_ids[r.novel] is not null;
  with r as materialized (
    select r.novel, i.id::novelsync.chapter_id as id
    from json_to_recordset(v_request.removed) as r(novel integer, ids json), json_array_elements_text(r.ids) as i(id)
  ), gone as (
    update public.chapters t set removed_at = now(), updated_at = now()
    from r where t.id = r.id and t.novel_id = v_ids[r.novel]
    returning t.novel_id, t.id, t.position)
  select count(*),
         array_agg(row(g.novel_id, g.id, 'removed', '{}', null)::novelsync.chapter_change order by g.novel_id, g.position)
  into v_found, v_more from gone g;
  v_changes := v_changes || v_more;
  if v_found <> v_expected then
    raise exception '% of % chapters to remove are no longer in the table', v_expected - v_found, v_expected;
  end if;

  -- Novels that were there before this call, or were staged; the others' rows were made above.
  with changed as (
    update public.novels t
    set slug = n.slug,
        title = case when n.fields is null then t.title else n.fields ->> 'title' end,
        author = case when n.fields is null then t.author else n.fields ->> 'author' end,
        description = case when n.fields is null then t.description else n.fields ->> 'description' end,
        cover_url = case when n.fields is null then t.cover_url else n.fields ->> 'cover_url' end,
        status = case when n.fields is null then t.status else n.fields ->> 'status' end,
        chapter_count = n.chapter_count,
        updated_at = now(),
        last_chapter_at = case when n.chapters_added > 0 then now() else t.last_chapter_at end,
        removed_at = null
    from rows from (json_to_recordset(v_request.novels)
                    as (slug text, is_new boolean, staged integer, fields json, chapter_count integer,
                        chapters_added integer))
         with ordinality as n(slug, is_new, staged, fields, chapter_count, chapters_added, place)
         join public.novels o on o.id = v_ids[n.place]
    where t.id = o.id and (not n.is_new or n.staged > 0)
    returning t.id, n.is_new, n.place, o.removed_at is not null as restored,
      array_remove(array[
        case when o.slug is distinct from t.slug then 'slug' end,
        case when o.title is distinct from t.title then 'title' end,
        case when o.author is distinct from t.author then 'author' end,
        case when o.description is distinct from t.description then 'description' end,
        case when o.cover_url is distinct from t.cover_url then 'cover_url' end,
        case when o.status is distinct from t.status then 'status' end,
        case when n.place in (select m.novel from json_to_recordset(v_request.moved) as m(novel integer))
             then 'order' end], null) as fields)
  select array_agg(row(c.id, null, case when c.restored then 'restored' else 'changed' end, c.fields, null)
                   ::novelsync.chapter_change order by c.place)
  into v_more
  from changed c where not c.is_new and (c.restored or cardinality(c.fields) > 0);
  v_changes := v_changes || v_more;

  -- A novel that is new is one entry, however many chapters it has.
  select array_agg(row(v_ids[n.place], null, 'added', '{}', n.chapter_count)::novelsync.chapter_change order by n.place)
  into v_more
  from rows from (json_to_recordset(v_request.novels) as (chapter_count integer)) with ordinality as n(chapter_count, place)
  where v_new[n.place] and v_ids[n.place] is not null;
  v_changes := v_changes || v_more;

  update novelsync.files f
  set novel_id = coalesce(v_ids[n.place], f.novel_id), version = n.version, checksum = n.checksum,
      revision = f.revision + 1, request_id = n.request_id, missing_since = null,
      removed_at = case when v_ids[n.place] is null then f.removed_at end,
      removal_accepted = f.removal_accepted and v_ids[n.place] is null,
      holds = coalesce(n.holds, f.holds),
      first_seen = case when n.afresh and v_ids[n.place] is not null then now() else f.first_seen end,
      first_run = case when f.revision = 0 and n.former is null or n.afresh and v_ids[n.place] is not null
                       then v_request.run_id else f.first_run end,
      outside_at = case when v_request.run_id is null then clock_timestamp() end
  from rows from (json_to_recordset(v_request.novels)
                  as (slug text, former text, request_id uuid, version text, checksum text, holds integer,
                      afresh boolean))
       with ordinality as n(slug, former, request_id, version, checksum, holds, afresh, place)
  where f.slug = n.slug and v_outcomes[n.place] is null;

  delete from novelsync.problems p
  using rows from (json_to_recordset(v_request.novels) as (slug text, problems_stay boolean)) with ordinality
        as n(slug, problems_stay, place)
  where p.slug = n.slug and v_outcomes[n.place] is null and not n.problems_stay;
  insert into novelsync.problems (slug, kind, message, hint)
  select p.slug, p.kind, p.message, p.hint
  from json_to_recordset(v_request.problems) as p(novel integer, slug text, kind text, message text, hint text)
  where v_outcomes[p.novel] is null;

  if v_staged is not null then
    delete from novelsync.staging where slug = any (v_staged) and novel_id = any (v_ids);
  end if;

  -- The first answer stands: where the message came twice at once, the second saw a novel that was in already.
  update novelsync.messages m set result = n.result
  from rows from (json_to_recordset(v_request.novels) as (slug text, result json)) with ordinality
       as n(slug, result, place)
  where m.run_id = v_request.run_id and m.slug = n.slug and m.result is null and json_typeof(n.result) = 'object'
    and v_outcomes[n.place] is null;

  -- Here, and not at commit, so that what is wrong with the data is this call's error.
  set constraints public.chapters_position immediate;
  perform novelsync.tell(v_request.run_id, v_changes);

  return (select json_agg(coalesce(o, 'written') order by place) from unnest(v_outcomes) with ordinality as u(o, place));
end
$$;

-- Marks stored novels that a complete listing did not have, unmarks those it has again, and forgets what was never
-- stored and is no longer listed. In: run_id, missing, returned, forgotten (slugs).
-- What was written outside of runs since this one began may have come after the listing had passed its place.
create or replace function public.novelsync_absence(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
begin
  perform novelsync.fence(($1 ->> 'run_id')::uuid);
  -- In the order in which writes lock them.
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

-- Takes novels that are missing from the readers; their rows and texts stay.
-- In: run_id, slugs and their revisions (one that moved on is left), accepted (a person asked for it),
-- held (what would have been too much at once and so is not among them: {novels, message, hint}; null: nothing).
-- Out: removed, the slugs.
create or replace function public.novelsync_remove(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
  v_removed json;
  v_changes novelsync.chapter_change[];
begin
  select * into v_request from json_to_record($1) as r(
    run_id uuid, slugs json, revisions json, accepted boolean, held json);
  perform novelsync.fence(v_request.run_id);
  perform from novelsync.files where slug in (select json_array_elements_text(v_request.slugs)) order by slug for update;
  with gone as (
    update novelsync.files f
    set removed_at = now(), removal_accepted = v_request.accepted, revision = f.revision + 1
    from rows from (json_array_elements_text(v_request.slugs), json_array_elements_text(v_request.revisions))
         as n(slug, revision)
    where f.slug = n.slug and f.revision = n.revision::bigint
      and f.missing_since is not null and f.removed_at is null and f.novel_id is not null
    returning f.novel_id
  ), hidden as (
    update public.novels t set removed_at = now(), updated_at = now()
    from gone where t.id = gone.novel_id and t.removed_at is null
    returning t.id)
  select array_agg(row(h.id, null, 'removed', '{}', null)::novelsync.chapter_change) into v_changes from hidden h;
  -- Asked again after a lost answer, it answers the same.
  select coalesce(json_agg(f.slug), '[]') into v_removed
  from rows from (json_array_elements_text(v_request.slugs), json_array_elements_text(v_request.revisions))
       as n(slug, revision)
  join novelsync.files f on f.slug = n.slug and f.revision = n.revision::bigint + 1 and f.removed_at is not null;
  update novelsync.lease set held = case when json_typeof(v_request.held) = 'object' then v_request.held end
  where run_id = v_request.run_id;
  perform novelsync.tell(v_request.run_id, v_changes);
  return json_build_object('removed', v_removed);
end
$$;

-- What readers no longer see, and what purging it would come to.
-- In: slug (null: of all novels), days (removed at least so long ago).
-- Out: novels, chapters, bytes (of text), before (the moment that "days" leads to, for novelsync_purge),
-- references: the foreign keys that point at these rows: table, columns, rows (null: not ours to see), forbids, then.
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

  -- Who writes these novels has ended now, or waits; and what was planned on them is planned anew. What came back in
  -- the meantime is seen by the next statement.
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

-- Remembers novels whose files others are asked by messages to carry over, on a run's behalf. In: run_id, slugs (may be
-- empty), close (whatever has no answer now is no longer wanted). Out: open, how many of the run's have no answer yet.
create or replace function public.novelsync_ask(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_run constant uuid := ($1 ->> 'run_id')::uuid;
begin
  perform novelsync.fence(v_run);
  insert into novelsync.messages (run_id, slug)
  select v_run, s.slug from json_array_elements_text($1 -> 'slugs') as s(slug)
  on conflict do nothing;
  if ($1 ->> 'close')::boolean then
    delete from novelsync.messages where run_id = v_run and result is null;
  end if;
  return json_build_object('open', (select count(*) from novelsync.messages where run_id = v_run and result is null));
end
$$;

-- Answers such a message, if it was not yet. In: run_id, slug, result (null: only to know how it stands).
-- Out: state "open" (to be carried over), "answered", or "over" (the run has ended, or lost its lease).
create or replace function public.novelsync_answer(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
  v_message novelsync.messages;
begin
  select * into v_request from json_to_record($1) as r(run_id uuid, slug text, result json);
  if not exists (select from novelsync.lease where run_id = v_request.run_id) then
    return json_build_object('state', 'over');
  end if;
  if json_typeof(v_request.result) = 'object' then
    update novelsync.messages set result = v_request.result
    where run_id = v_request.run_id and slug = v_request.slug and result is null;
  end if;
  select * into v_message from novelsync.messages where run_id = v_request.run_id and slug = v_request.slug;
  return json_build_object('state', case
    when v_message.run_id is null then 'over' when v_message.result is null then 'open' else 'answered' end);
end
$$;

-- A page of a run's answers. In: run_id, after (a slug, or ''), limit. Out: a list of {slug, result}.
create or replace function public.novelsync_answers(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r(run_id uuid, "after" text, "limit" integer);
  return (
    select coalesce(json_agg(json_build_object('slug', m.slug, 'result', m.result)), '[]')
    from (
      select * from novelsync.messages
      where run_id = v_request.run_id and slug > v_request."after" and result is not null
      order by slug
      limit v_request."limit") m);
end
$$;

-- What a person wants to know. Counts come from the bookkeeping and never from counting chapters.
-- Out: besides the counts, runs (those of a day, the newest first, without their reports) and titles (of the novels that
-- problems speak of, as far as they are stored).
create or replace function public.novelsync_status(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_standing constant json := public.novelsync_problems('{}');
begin
  return json_build_object(
    'schema', novelsync.version(),
    'novels', (select count(*) from public.novels where removed_at is null),
    'removed_novels', (select count(*) from public.novels where removed_at < 'infinity'),
    'chapters', (select coalesce(sum(chapter_count), 0) from public.novels where removed_at is null),
    'bytes', pg_database_size(current_database()),
    'running', (select json_build_object('holder', l.holder, 'since', l.acquired_at, 'open_messages', (
                  select count(*) from novelsync.messages m where m.run_id = l.run_id and m.result is null))
                from novelsync.lease l where l.expires_at > clock_timestamp()),
    'last_runs', (
      select coalesce(json_agg(json_build_object(
        'outcome', r.outcome, 'finished_at', r.finished_at, 'report', r.report) order by r.finished_at desc), '[]')
      from (select * from novelsync.runs where finished_at is not null order by finished_at desc limit 2) r),
    'metrics', (
      select json_build_object(
        'runs', count(*),
        'sync_success_rate', round(avg(case when outcome = 'ok' then 1 else 0 end), 4),
        'average_duration', round(avg((report ->> 'duration')::numeric), 2),
        'novels_processed', coalesce(sum((report ->> 'novels_processed')::bigint), 0),
        'chapters_processed', coalesce(sum((report ->> 'chapters_processed')::bigint), 0),
        'error_rate', round(sum((report ->> 'novels_error')::numeric)
                            / nullif(sum((report ->> 'novels_processed')::numeric), 0), 4))
      from novelsync.runs where finished_at > now() - interval '24 hours'),
    'runs', (
      select coalesce(json_agg(json_build_object(
        'outcome', r.outcome, 'trigger', r.trigger, 'finished_at', r.finished_at,
        'duration', r.report -> 'duration', 'novels', r.report -> 'novels_processed',
        'created', r.report #> '{novels,created}', 'updated', r.report #> '{novels,updated}',
        'removed', r.report #> '{novels,removed}') order by r.finished_at desc), '[]')
      from (
        select * from novelsync.runs where finished_at > now() - interval '24 hours'
        order by finished_at desc limit 200) r),
    'standing', v_standing,
    'titles', (
      select coalesce(json_object_agg(n.slug, left(n.title, 200)), '{}')
      from public.novels n
      where n.removed_at is null
        and n.slug in (select p.slug from json_to_recordset(v_standing -> 'problems') as p(slug text))));
end
$$;

-- The version of the newest migration file. Each file that is added defines this anew: the API shows nobody the ledger.
create or replace function novelsync.version() returns text
language plpgsql immutable security invoker set search_path = '' as $$
begin
  return '20261124000000';
end
$$;

-- What the database is, for whoever looks whether all is set up.
-- Out: schema (a version as above), server (Postgres' own), role (whose rights a call has), bytes, now.
create or replace function public.novelsync_doctor(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
begin
  return json_build_object(
    'schema', novelsync.version(),
    'server', current_setting('server_version'),
    'role', current_user,
    'bytes', pg_database_size(current_database()),
    'now', clock_timestamp());
end
$$;

do $$
declare
  v_function text;
begin
  foreach v_function in array array[
    'public.novelsync_begin(json)', 'public.novelsync_renew(json)', 'public.novelsync_finish(json)',
    'public.novelsync_known(json)', 'public.novelsync_read(json)', 'public.novelsync_stage(json)',
    'public.novelsync_write(json)', 'public.novelsync_absence(json)', 'public.novelsync_status(json)',
    'public.novelsync_problems(json)', 'public.novelsync_peek(json)', 'public.novelsync_renamed(json)',
    'public.novelsync_remove(json)', 'public.novelsync_removed(json)', 'public.novelsync_purge(json)',
    'public.novelsync_doctor(json)', 'public.novelsync_ask(json)', 'public.novelsync_answer(json)',
    'public.novelsync_answers(json)', 'novelsync.version()', 'novelsync.fence(uuid)', 'novelsync.sweep(text[])',
    'novelsync.tell(uuid, novelsync.chapter_change[])'] loop
    -- Supabase's default privileges grant to anon and authenticated by name, so "from public" alone leaves them in.
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
