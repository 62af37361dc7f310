-- NovelSync: runs and their lease: only one run writes at a time.
--
-- For this file and those that follow: every function of the API takes one unnamed json argument, which the REST API
-- fills with the request's body as it is, and answers one json. Never overload one: a function whose arguments have the
-- names of the body's keys would be called in its place.
-- plpgsql, because the REST API shares prepared plans across roles, and an inlined SQL function loses its "revoke".
-- No function ever raises 40001, which the REST API would retry for ever.

-- Refuses a write of a run whose lease has passed on. p_run null: a write that belongs to no run (an event, a single
-- novel). p_changes: the write changes the row of the lease too. It must lock it as strongly from the beginning: a run that
-- waits to take the lease would be in between.
create or replace function novelsync.assert_lease(p_run uuid, p_changes boolean default false) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  if p_run is null then
    return;
  end if;
  if p_changes then
    perform from novelsync.lease where run_id = p_run for no key update;
  else
    perform from novelsync.lease where run_id = p_run for key share;
  end if;
  if not found then
    raise exception 'run % no longer holds the lease', p_run using errcode = 'PT409';
  end if;
end
$$;

-- The open problems. In: slugs (only theirs; null: all, and those of the library as a whole: held removals, and notices
-- that nobody takes), without (not theirs),
-- present (theirs too, although they are marked as missing).
-- Out: problems (at most 100, by who has to act: what is held, refused, undelivered, what differs, the rest; each kind
-- has a share, and what one does not need of it goes to the others; of those that are alike up to what is quoted and
-- but for digits, one comes before all others of its kind; alike: how many of them there are), counts (by kind), held
-- (how many novels are held: those that keep something their file no longer has, and those whose removal would have
-- been too much at once), blank (how many came in without any text), taken_down (what takedowns keep back: novels, and
-- chapters of files, with those of such novels).
create or replace function public.novelsync_open_problems(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_slugs text[];
  v_without constant text[] := array(select json_array_elements_text($1 -> 'without'));
  v_present constant text[] := array(select json_array_elements_text($1 -> 'present'));
  v_removals json;
  v_undelivered text;
begin
  if $1 ->> 'slugs' is not null then
    v_slugs := array(select json_array_elements_text($1 -> 'slugs'));
  else
    v_removals := (select l.held_removals from novelsync.lease l where l.singleton);
    v_undelivered := novelsync.undelivered();
  end if;
  return (
    -- Without the messages, so that 100,000 fit into memory.
    with listed as materialized (
      select p.slug, p.kind, p.says
      from novelsync.problems p
      where p.slug not in (
          select f.slug from novelsync.files f where f.missing_since is not null and f.slug <> all (v_present))
        and (v_slugs is null or p.slug = any (v_slugs)) and p.slug <> all (v_without)
      union all
      select '', 'held', 0 where v_removals is not null
      union all
      select '', 'undelivered', 0 where v_undelivered is not null
    ), said as materialized (
      select l.kind, l.says, count(*) as alike, min(l.slug) as slug from listed l group by l.kind, l.says
    ), kinds as materialized (
      select s.kind, sum(s.alike) as n,
             coalesce(array_position(array['held', 'refused', 'undelivered', 'differs'], s.kind), 5) as gravity
      from said s group by s.kind
    ), few as (
      select l.kind, l.slug, l.says
      from kinds k cross join lateral (select * from listed l where l.kind = k.kind order by l.slug limit 100) l
      union
      select s.kind, s.slug, s.says
      from kinds k cross join lateral (select * from said s where s.kind = k.kind order by s.slug limit 100) s
    ), chosen as (
      select p.*
      from (
        select e.kind, e.slug, s.alike, k.gravity,
               row_number() over (partition by e.kind order by s.slug <> e.slug, e.slug) as place
        from few e join said s on s.kind = e.kind and s.says = e.says join kinds k on k.kind = e.kind) p
      order by p.place > (array[40, 40, 20, 20, 20])[p.gravity], p.gravity, p.place
      limit 100
    )
    select json_build_object(
      'counts', (select coalesce(json_object_agg(k.kind, k.n), '{}') from kinds k),
      'taken_down', (
        select json_build_object('novels', count(*) filter (where w.whole), 'chapters', coalesce(sum(w.chapters), 0))
        from novelsync.withheld w
        where (v_slugs is null or w.slug = any (v_slugs)) and w.slug <> all (v_without)),
      'held', (select coalesce(sum(k.n), 0) from kinds k where k.kind = 'held')
              + coalesce((v_removals ->> 'novels')::integer - 1, 0),
      'blank', (
        select count(*) from novelsync.files f
        where f.blank and f.novel_id is not null and (f.missing_since is null or f.slug = any (v_present))
          and (v_slugs is null or f.slug = any (v_slugs)) and f.slug <> all (v_without)),
      'problems', (
        select coalesce(json_agg(json_build_object(
          'slug', c.slug, 'kind', c.kind, 'alike', c.alike,
          'message', case when c.slug <> '' then p.message when c.kind = 'undelivered' then v_undelivered
                          else v_removals ->> 'message' end,
          'hint', case when c.slug <> '' then p.hint when c.kind = 'undelivered' then novelsync.undelivered_hint()
                       else v_removals ->> 'hint' end) order by c.gravity, c.slug), '[]')
        from chosen c left join novelsync.problems p on p.slug = c.slug and p.kind = c.kind)));
end
$$;

-- What earlier runs have left for the next one, except for the digest. Changes nothing.
-- Out, among others: missing (how many novels), missing_longest (ten of them, as [slug, seconds]).
create or replace function public.novelsync_peek(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
begin
  return json_build_object(
    'schema', novelsync.version(),
    'resume_at', (select resume_at from novelsync.lease where singleton),
    'missing', (select count(*) from novelsync.files where missing_since is not null and removed_at is null),
    'missing_longest', (
      select coalesce(json_agg(json_build_array(f.slug, extract(epoch from now() - f.missing_since))), '[]')
      from (
        select slug, missing_since from novelsync.files where missing_since is not null and removed_at is null
        order by missing_since, slug limit 10) f),
    'removed_lately', (
      select count(*) from novelsync.files where removed_at > now() - interval '24 hours' and not removal_accepted),
    -- In the order of its index: without statistics the planner takes half of all for such, and reads the whole table.
    'any_texts', (select slug from novelsync.files where has_texts order by slug limit 1) is not null,
    'any_takedowns', exists (select from novelsync.takedowns where lifted_at is null),
    'held_removals', (select held_removals from novelsync.lease where singleton),
    'comparing', novelsync.comparing_state(),
    'open_problems', public.novelsync_open_problems('{}'));
end
$$;

-- Starts a run. In: run_id, trigger, holder, seconds, schema (a newer one than this database's starts nothing).
-- Out: acquired; if false: holder, since; if true: digest, and as run_state what novelsync_peek answers.
-- Only one run gets the digest, again if it calls again, because an answer may be lost. A run that dies leaves none, so
-- that the next one looks at everything. It is also withheld if there is something to do although no file has changed:
-- a novel to be read again, one whose rows somebody deleted, one that was written outside of runs.
create or replace function public.novelsync_begin(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_lease novelsync.lease;
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
  -- A call that timed out and was repeated may arrive only after its run has ended.
  if exists (select from novelsync.runs r where r.run_id = v_request.run_id and r.report is not null) then
    return json_build_object('schema', novelsync.version(), 'acquired', false,
                             'holder', 'this very run, which has ended', 'since', v_lease.acquired_at);
  end if;
  if v_lease.run_id not in ('00000000-0000-0000-0000-000000000000', v_request.run_id) then
    v_lease.digest := null;
  end if;

  -- Changing the key waits for the writes of the run that had the lease before.
  update novelsync.lease
  set run_id = v_request.run_id, holder = v_request.holder, acquired_at = clock_timestamp(),
      digest = v_lease.digest, progress = null,
      expires_at = clock_timestamp() + make_interval(secs => v_request.seconds)
  where singleton;

  update novelsync.runs set finished_at = clock_timestamp(), outcome = 'failed'
  where finished_at is null and run_id <> v_request.run_id;
  insert into novelsync.runs (run_id, trigger) values (v_request.run_id, v_request.trigger) on conflict do nothing;
  delete from novelsync.messages where run_id <> v_request.run_id;
  delete from novelsync.message_renames where run_id <> v_request.run_id;
  perform novelsync.discard_abandoned(v_request.run_id);
  perform novelsync.enforce_takedowns(v_lease.acquired_at);
  perform novelsync.begin_comparing();

  v_quiet := not exists (select from novelsync.files where outside_at >= v_lease.digest_since)
    and not exists (
      select from novelsync.files f
      where (f.version = '' or f.novel_id is null) and f.missing_since is null
        and (f.version = '' or not exists (
          select from novelsync.problems p where p.slug = f.slug and p.kind = 'refused')
          and not exists (select from novelsync.withheld w where w.slug = f.slug and w.whole)));

  return json_build_object(
    'schema', novelsync.version(),
    'acquired', true,
    'digest', case when v_quiet then v_lease.digest end,
    'run_state', public.novelsync_peek('{}'));
end
$$;

-- Renews the lease. In: run_id, seconds, resume_at (where the next run begins if this one dies; null: as before),
-- progress ({done, total}; null: as before).
-- Out: held (false: the lease has passed on).
create or replace function public.novelsync_renew(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r(run_id uuid, seconds integer, resume_at text, progress json);
  update novelsync.lease
  set expires_at = clock_timestamp() + make_interval(secs => v_request.seconds),
      resume_at = coalesce(v_request.resume_at, resume_at), progress = coalesce(v_request.progress, progress)
  where run_id = v_request.run_id;
  return json_build_object('held', found);
end
$$;

-- Ends a run: stores its report and gives the lease back. Deletes runs and changes of more than 30 days ago.
-- Whoever locks the lease and anything else locks the lease first, so that no two ever wait for each other.
-- In: run_id, outcome, report, digest, quiet (the digest is the one that begin answered), resume_at. Out: released.
create or replace function public.novelsync_finish(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
begin
  select * into v_request
  from json_to_record($1) as r(
    run_id uuid, outcome text, report json, digest text, quiet boolean, resume_at text);

  perform novelsync.prune_feed(20000);
  perform from novelsync.lease where run_id = v_request.run_id for update;
  -- Only once, so that a repeated call does not move the end of the run.
  update novelsync.runs
  set finished_at = clock_timestamp(), outcome = v_request.outcome, report = v_request.report
  where run_id = v_request.run_id and report is null;
  delete from novelsync.runs where finished_at < now() - interval '30 days';

  update novelsync.lease
  set run_id = '00000000-0000-0000-0000-000000000000', expires_at = '-infinity', holder = '',
      digest = v_request.digest, resume_at = v_request.resume_at,
      digest_since = case when v_request.quiet then digest_since else acquired_at end
  where run_id = v_request.run_id;
  return json_build_object('released', found);
end
$$;
