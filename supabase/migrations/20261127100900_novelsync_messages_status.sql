-- NovelSync: the messages by which a run hands novels out to others; and what people and monitors ask.

-- Records which novels others are asked, by messages, to sync on a run's behalf. In: run_id, slugs (may be empty),
-- formers (the slugs that novels of this run had before, so that no message has to say those of all),
-- close (messages without an answer are withdrawn). Out: open, how many of the run's messages have no answer yet.
create or replace function public.novelsync_hand_out(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_run constant uuid := ($1 ->> 'run_id')::uuid;
begin
  perform novelsync.assert_lease(v_run);
  insert into novelsync.message_renames (run_id, former)
  select v_run, s.slug from json_array_elements_text(coalesce($1 -> 'formers', '[]')) as s(slug)
  on conflict do nothing;
  insert into novelsync.messages (run_id, slug)
  select v_run, s.slug from json_array_elements_text($1 -> 'slugs') as s(slug)
  on conflict do nothing;
  if ($1 ->> 'close')::boolean then
    delete from novelsync.messages where run_id = v_run and result is null;
  end if;
  return json_build_object('open', (select count(*) from novelsync.messages where run_id = v_run and result is null));
end
$$;

-- Answers such a message, if nobody has yet. In: run_id, slug, result (null: only ask for the state).
-- Out: state "open" (the novel is to be synced), "answered", or "over" (the run has ended, or lost its lease).
create or replace function public.novelsync_answer(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_message novelsync.messages;
begin
  select * into v_request from json_to_record($1) as r(run_id uuid, slug text, result json);
  if not exists (select from novelsync.lease where run_id = v_request.run_id) then
    return json_build_object('state', 'over');
  end if;
  if v_request.result is not null then
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
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
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

-- A finished run in short. Numbers are null if it died before it could report.
create or replace function novelsync.run_summary(p_run novelsync.runs) returns json
language plpgsql stable security invoker set search_path = '' as $$
begin
  return json_build_object(
    'run_id', p_run.run_id, 'outcome', p_run.outcome, 'trigger', p_run.trigger, 'finished_at', p_run.finished_at,
    'duration', p_run.report -> 'duration', 'novels', p_run.report -> 'novels_processed',
    'created', p_run.report #> '{novels,created}', 'updated', p_run.report #> '{novels,updated}',
    'removed', p_run.report #> '{novels,removed}');
end
$$;

-- What a person wants to know. Counts come from the bookkeeping and never from counting chapters.
-- Out: besides the counts, at (nothing that came later is part of it), killed_at (the start of a run that did not end and
-- has lost the lease), runs (those of a day, the newest first, without their reports) and titles (of the novels that
-- problems speak of, as far as they are stored).
create or replace function public.novelsync_status(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_problems constant json := public.novelsync_open_problems('{}');
begin
  return json_build_object(
    'schema', novelsync.version(),
    'at', now(),
    'novels', (select count(*) from public.novels where removed_at is null),
    'removed_novels', (select count(*) from public.novels where removed_at < 'infinity'),
    'chapters', (select coalesce(sum(chapter_count), 0) from public.novels where removed_at is null),
    'bytes', pg_database_size(current_database()),
    'running', (select json_build_object('run_id', l.run_id, 'holder', l.holder, 'since', l.acquired_at,
                  'done', l.progress -> 'done', 'total', l.progress -> 'total', 'open_messages', (
                  select count(*) from novelsync.messages m where m.run_id = l.run_id and m.result is null))
                from novelsync.lease l where l.expires_at > clock_timestamp()),
    'killed_at', (select max(r.started_at) from novelsync.runs r
                  where r.finished_at is null
                    and not exists (select from novelsync.lease l
                                    where l.run_id = r.run_id and l.expires_at > clock_timestamp())),
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
      select coalesce(json_agg(novelsync.run_summary(r) order by r.finished_at desc), '[]')
      from (
        select * from novelsync.runs where finished_at > now() - interval '24 hours'
        order by finished_at desc limit 200) r),
    'open_problems', v_problems,
    'comparing', novelsync.round_of_comparing(),
    'titles', (
      select coalesce(json_object_agg(n.slug, left(n.title, 200)), '{}')
      from public.novels n
      where n.removed_at is null
        and n.slug in (select p.slug from json_to_recordset(v_problems -> 'problems') as p(slug text))));
end
$$;

-- A page of all that a person should look at, of one kind, by slug. In: kind (of a problem, or "missing"), after (a slug;
-- null: from the start), limit.
-- Out: total (of the kind), problems: a list of {slug, message, hint, since, title}; a missing novel has no message.
create or replace function public.novelsync_problems(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r(kind text, "after" text, "limit" integer);
  return (
    with listed as materialized (
      select p.slug, p.message, p.hint, p.since
      from novelsync.problems p join novelsync.files f on f.slug = p.slug
      where p.kind = v_request.kind and f.missing_since is null
      union all
      select '', l.held_removals ->> 'message', l.held_removals ->> 'hint', null
      from novelsync.lease l
      where v_request.kind = 'held' and l.held_removals is not null
      union all
      select '', u.message, novelsync.undelivered_hint(), null
      from novelsync.undelivered() as u(message)
      where v_request.kind = 'undelivered' and u.message is not null
      union all
      select f.slug, '', '', f.missing_since
      from novelsync.files f
      where v_request.kind = 'missing' and f.missing_since is not null and f.removed_at is null and f.novel_id is not null)
    select json_build_object(
      'total', (select count(*) from listed),
      'problems', (
        select coalesce(json_agg(json_build_object(
          'slug', o.slug, 'message', o.message, 'hint', o.hint, 'since', o.since, 'title', left(n.title, 200))
          order by o.slug), '[]')
        from (
          select * from listed l
          where v_request."after" is null or l.slug > v_request."after" collate "C"
          order by l.slug
          limit v_request."limit") o
        left join public.novels n on n.slug = o.slug and n.removed_at is null)));
end
$$;

-- What the server is, for whoever checks whether all is set up.
-- Out: schema (novelsync.version()), server (Postgres' own), role (whose rights a call has), bytes, now.
create or replace function public.novelsync_server_info(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
begin
  return json_build_object(
    'schema', novelsync.version(),
    'server', current_setting('server_version'),
    'role', current_user,
    'bytes', pg_database_size(current_database()),
    'now', clock_timestamp());
end
$$;
