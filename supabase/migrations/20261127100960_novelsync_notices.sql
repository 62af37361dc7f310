-- NovelSync: notices: to whom the change feed is delivered, and how far that has come.

-- A row for each address that was ever to be told.
create table if not exists novelsync.receivers (
  id text primary key,
  name text not null,
  position bigint not null,
  batch_end bigint,
  claim uuid,
  claimed_until timestamptz not null default '-infinity',
  not_before timestamptz not null default '-infinity',
  asked_at timestamptz not null default '-infinity',
  failures integer not null default 0,
  failing_since timestamptz,
  failure text
);
comment on column novelsync.receivers.id is 'a digest of the address, which is a secret';
comment on column novelsync.receivers.name is 'as it is shown to people';
comment on column novelsync.receivers.position is 'of the feed: all entries up to this id have been taken';
comment on column novelsync.receivers.batch_end is
  'the last entry of the batch that is being sent, so that a batch that is sent again is the same one';
comment on column novelsync.receivers.claimed_until is 'until then nobody but the holder of the claim sends';
comment on column novelsync.receivers.not_before is 'when the next call may be made';
comment on column novelsync.receivers.asked_at is 'when somebody last had this address in its settings';

-- What is told of some entries of the feed, as a list: enough for a site to know which of its pages are old, and to tell
-- people. Titles are left out where readers do not see what they belong to.
create or replace function novelsync.notices(p_after bigint, p_upto bigint) returns json
language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select coalesce(json_agg(json_build_object(
      'id', f.id,
      'kind', f.kind,
      'fields', f.fields,
      'novel', json_build_object(
        'id', n.id, 'slug', n.slug, 'title', case when n.removed_at is null then left(n.title, 300) end),
      'former_slug', f.former_slug,
      'chapter', case when f.chapter_id is not null then json_build_object(
        'id', c.id, 'position', c.position, 'number', c.number,
        'title', case when n.removed_at is null and c.removed_at is null then left(c.title, 300) end) end,
      'chapter_count', f.chapter_count,
      'run_id', f.run_id,
      'changed_at', f.changed_at) order by f.id), '[]')
    from public.chapter_changes f
    join public.novels n on n.id = f.novel_id
    left join public.chapters c on c.id = f.chapter_id
    where f.id > p_after and f.id <= p_upto);
end
$$;

-- Claims the next batch for an address. In: receiver (its id), name, known_for (seconds for which the caller has known
-- the address: a new one begins with what changed since then), claim (an id for this attempt), seconds (how long
-- nobody else may send), most (changes in a batch).
-- Out: changes (null: nothing is to be sent now), upto (the last id of the batch), wait (seconds after which to ask again;
-- null: there is no need to, because all is sent, or somebody else is at it, who also sends what has come meanwhile).
-- One call a second for each address, whoever makes it: the next one begins a second after the end of this one. All
-- times are this database's.
create or replace function public.novelsync_take_notices(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_receiver novelsync.receivers;
  v_end bigint;
  v_changes json;
begin
  select * into v_request from json_to_record($1) as r(
    receiver text, name text, known_for double precision, claim uuid, seconds double precision, most integer);
  update novelsync.receivers set asked_at = clock_timestamp(), name = v_request.name where id = v_request.receiver
  returning * into v_receiver;
  if v_receiver.id is null then
    delete from novelsync.receivers where asked_at < now() - interval '30 days';
    insert into novelsync.receivers (id, name, asked_at, position)
    values (v_request.receiver, v_request.name, clock_timestamp(), coalesce((
      select f.id from public.chapter_changes f
      where f.changed_at < clock_timestamp() - make_interval(secs => v_request.known_for)
      order by f.id desc limit 1), 0))
    on conflict do nothing;
    select * into v_receiver from novelsync.receivers where id = v_request.receiver for no key update;
  end if;
  if v_receiver.claimed_until > clock_timestamp() and v_receiver.claim is distinct from v_request.claim then
    return json_build_object('changes', null, 'upto', null, 'wait', null);
  end if;
  if v_receiver.not_before > clock_timestamp() then
    return json_build_object('changes', null, 'upto', null,
                             'wait', extract(epoch from v_receiver.not_before - clock_timestamp()));
  end if;

  loop
    v_end := coalesce(v_receiver.batch_end, (
      select max(f.id) from (
        select id from public.chapter_changes where id > v_receiver.position order by id limit v_request.most) f));
    exit when v_end is null;
    v_changes := novelsync.notices(v_receiver.position, v_end);
    exit when json_array_length(v_changes) > 0;
    -- All of the batch was purged meanwhile.
    v_receiver.position := v_end;
    v_receiver.batch_end := null;
  end loop;
  update novelsync.receivers
  set position = v_receiver.position, batch_end = v_end, claim = v_request.claim,
      claimed_until = case when v_end is null then '-infinity'
                           else clock_timestamp() + make_interval(secs => v_request.seconds) end,
      not_before = case when v_end is null then not_before else clock_timestamp() + interval '1 second' end
  where id = v_receiver.id;
  return json_build_object('changes', case when v_end is not null then v_changes end, 'upto', v_end, 'wait', null);
end
$$;

-- What became of a batch. In: receiver, claim, upto, failure (null: it was taken). Out: {}.
-- After a failure the next call waits: a second, twice as long after each further one, at most a quarter of an hour;
-- between half of that and all of it, so that those who wait do not all come at once.
create or replace function public.novelsync_notices_taken(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r(receiver text, claim uuid, upto bigint, failure text);
  if v_request.failure is null then
    -- Also by whoever has lost the claim: what was taken was taken.
    update novelsync.receivers
    set position = v_request.upto, batch_end = nullif(batch_end, v_request.upto),
        failures = 0, failing_since = null, failure = null,
        not_before = greatest(not_before, clock_timestamp() + interval '1 second'),
        claimed_until = case when claim = v_request.claim then '-infinity' else claimed_until end
    where id = v_request.receiver and position < v_request.upto;
  else
    update novelsync.receivers
    set failures = failures + 1, failing_since = coalesce(failing_since, clock_timestamp()), failure = v_request.failure,
        claimed_until = '-infinity',
        not_before = clock_timestamp() + make_interval(
          secs => greatest(1, least(900, power(2, least(failures, 10))) * (0.5 + random() / 2)))
    where id = v_request.receiver and claim = v_request.claim and position < v_request.upto;
  end if;
  return '{}';
end
$$;

-- What a person should know of addresses that have taken nothing for an hour. Null if there is none.
-- Those that are in no setting any more do not count: the last two runs did not ask for them.
create or replace function novelsync.undelivered() returns text
language plpgsql stable security invoker set search_path = '' as $$
begin
  return (
    select string_agg(
      r.name || ' has taken no notice since ' || to_char(r.failing_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
      || ': ' || r.failure, '; ' order by r.name)
    from novelsync.receivers r
    where r.failing_since < now() - interval '1 hour'
      and r.asked_at >= coalesce((
        select n.started_at from novelsync.runs n where n.finished_at is not null
        order by n.finished_at desc offset 1 limit 1), '-infinity'));
end
$$;

create or replace function novelsync.undelivered_hint() returns text
language plpgsql immutable security invoker set search_path = '' as $$
begin
  return 'is NOVELSYNC_NOTIFY_URL still right? once it answers it gets all that it missed, for 30 days';
end
$$;
