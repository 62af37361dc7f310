-- NovelSync: comparing what readers see with the files although nothing has changed: a few novels a run, all within some
-- days. It finds rows that somebody edited, and files that were edited with the same size and time.

-- One row: how far the round is that goes through all novels.
create table if not exists novelsync.comparing (
  singleton boolean primary key default true check (singleton),
  round integer not null default 1,
  after text collate "C" not null default '',
  compared integer not null default 0,
  began_at timestamptz not null default now(),
  trouble boolean not null default false,
  whole_since timestamptz
);
comment on column novelsync.comparing.after is 'the slug of the last novel that was looked at; empty: none yet';
comment on column novelsync.comparing.whole_since is 'when the last round began that came to its end, and in which nothing failed';
comment on column novelsync.comparing.trouble is 'in this round the storage or the database failed with some novels';

-- Novels that were found to differ. Whatever writes one ends its problem and may have mended it, or not: a file that changes
-- elsewhere does not; so the next whole run compares it again.
create table if not exists novelsync.differing (
  slug text collate "C" primary key references novelsync.files (slug) on delete cascade,
  revision bigint not null
);
comment on column novelsync.differing.revision is 'of the novel when it was found to differ';

-- For the status. Null before the first run.
create or replace function novelsync.round_of_comparing() returns json
language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select json_build_object('compared', c.compared, 'began_at', c.began_at, 'whole_since', c.whole_since)
    from novelsync.comparing c where c.singleton);
end
$$;

-- For a run: round (its number), after, compared, seconds (since the round began; negative: the clock was put back),
-- again (novels that were written since they were found to differ, at most 100). Null before the first run.
create or replace function novelsync.comparing_state() returns json
language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select json_build_object(
      'round', c.round, 'after', c.after, 'compared', c.compared, 'seconds', extract(epoch from now() - c.began_at),
      'again', (
        select coalesce(json_agg(a.slug), '[]')
        from (
          select d.slug from novelsync.differing d join novelsync.files f on f.slug = d.slug
          where f.revision <> d.revision and f.missing_since is null and f.version <> ''
          order by d.slug limit 100) a))
    from novelsync.comparing c where c.singleton);
end
$$;

-- The first round begins with the first run.
create or replace function novelsync.begin_comparing() returns void
language plpgsql security invoker set search_path = '' as $$
begin
  insert into novelsync.comparing (singleton) values (true) on conflict do nothing;
end
$$;

-- Records what a run has compared. In: run_id, round, after (how far that is now), compared (how many novels it has
-- come to), ended (it has come to its end, and the next one begins), trouble (something failed, so not all are
-- compared), equal: slugs, differing: a list of {slug, revision, message, hint}; a novel that has another revision by
-- now is left alone.
-- Out: told (the open problems may be others now).
create or replace function public.novelsync_compared(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_equal text[];
  v_ended integer;
begin
  select * into v_request from json_to_record($1) as r(
    run_id uuid, round integer, "after" text, compared integer, ended boolean, trouble boolean, equal json, differing json);
  v_equal := array(select json_array_elements_text(v_request.equal));
  perform novelsync.assert_lease(v_request.run_id);
  perform from novelsync.files f
  where f.slug = any (v_equal) or f.slug in (select d.slug from json_to_recordset(v_request.differing) as d(slug text))
  order by f.slug for update;

  -- Only of the round it is about, so that a call that is repeated ends no second one.
  update novelsync.comparing
  set round = case when v_request.ended then round + 1 else round end,
      after = case when v_request.ended then '' else v_request."after" end,
      compared = case when v_request.ended then 0 else v_request.compared end,
      whole_since = case when v_request.ended and not (trouble or v_request.trouble) then began_at else whole_since end,
      trouble = not v_request.ended and (trouble or v_request.trouble),
      began_at = case when v_request.ended then now() else began_at end
  where singleton and round = v_request.round;

  delete from novelsync.differing where slug = any (v_equal);
  delete from novelsync.problems where slug = any (v_equal) and kind = 'differs';
  get diagnostics v_ended = row_count;
  with found as (
    select d.*
    from json_to_recordset(v_request.differing) as d(slug text, revision bigint, message text, hint text)
    join novelsync.files f on f.slug = d.slug and f.revision = d.revision
  ), noted as (
    insert into novelsync.differing (slug, revision) select f.slug, f.revision from found f
    on conflict (slug) do update set revision = excluded.revision)
  insert into novelsync.problems (slug, kind, message, hint)
  select f.slug, 'differs', f.message, f.hint from found f
  on conflict (slug, kind) do update set message = excluded.message, hint = excluded.hint;
  return json_build_object('told', v_ended > 0 or json_array_length(v_request.differing) > 0);
end
$$;
