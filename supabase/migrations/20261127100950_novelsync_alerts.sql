-- NovelSync: changes of the verdict, and who has been told of them.

-- A row for each change: noticed once, whoever notices it first, and told once, in this order.
create table if not exists novelsync.alerts (
  id bigint generated always as identity primary key,
  verdict text not null,
  former text not null,
  reasons json not null,
  changed_at timestamptz not null,
  told_at timestamptz,
  claim uuid,
  claimed_until timestamptz not null default '-infinity'
);
comment on column novelsync.alerts.changed_at is 'when it was noticed';
comment on column novelsync.alerts.told_at is 'null: not told yet';
comment on column novelsync.alerts.claimed_until is 'until then nobody but the holder of the claim tells it';
create index if not exists alerts_untold on novelsync.alerts (id) where told_at is null;

-- Notes the verdict if it is another than the last one (before the first, all counts as well; whoever cannot ask the
-- scheduler calls stale what is stopped), and claims the oldest change that nobody has been told. In: verdict, reasons,
-- at (by this database's clock, when it was judged), claim (an id for this attempt), seconds (how long nobody else may
-- tell it).
-- Out: alert (null: there is nothing to tell, or another one is telling it), with id, verdict, former, reasons, changed_at.
-- Claiming again with the same claim answers the same, because an answer may be lost.
create or replace function public.novelsync_note_verdict(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_last novelsync.alerts;
  v_alert novelsync.alerts;
begin
  select * into v_request
  from json_to_record($1) as r(verdict text, reasons json, at timestamptz, claim uuid, seconds integer);
  select * into v_last from novelsync.alerts order by id desc limit 1;
  -- Nearly always so, and then nothing is locked.
  if coalesce(v_last.verdict, 'ok') = v_request.verdict
     and not exists (select from novelsync.alerts where told_at is null) then
    return json_build_object('alert', null);
  end if;

  lock table novelsync.alerts in share row exclusive mode;
  select * into v_last from novelsync.alerts order by id desc limit 1;
  -- Whoever judged before the last change was noticed is too late: a run may have ended since then.
  if coalesce(v_last.verdict, 'ok') <> v_request.verdict
     and not (coalesce(v_last.verdict, 'ok') = 'stopped' and v_request.verdict = 'stale')
     and v_request.at > coalesce(v_last.changed_at, '-infinity') then
    insert into novelsync.alerts (verdict, former, reasons, changed_at)
    values (v_request.verdict, coalesce(v_last.verdict, 'ok'), v_request.reasons, v_request.at)
    returning * into v_last;
    -- Nobody is helped by what was so for a while yesterday.
    delete from novelsync.alerts
    where id < v_last.id
      and (told_at < now() - interval '30 days' or (told_at is null and changed_at < now() - interval '24 hours'));
  end if;

  select * into v_alert from novelsync.alerts where told_at is null order by id limit 1;
  if v_alert.id is null
     or (v_alert.claimed_until > clock_timestamp() and v_alert.claim is distinct from v_request.claim) then
    return json_build_object('alert', null);
  end if;
  update novelsync.alerts
  set claim = v_request.claim, claimed_until = clock_timestamp() + make_interval(secs => v_request.seconds)
  where id = v_alert.id;
  return json_build_object('alert', json_build_object(
    'id', v_alert.id, 'verdict', v_alert.verdict, 'former', v_alert.former, 'reasons', v_alert.reasons,
    'changed_at', v_alert.changed_at));
end
$$;

-- What became of telling a change. In: id, claim, told, pause (if it was not: seconds until it may be tried again).
-- Out: told (false: it still has to be).
create or replace function public.novelsync_alert_told(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r(id bigint, claim uuid, told boolean, pause integer);
  if v_request.told then
    update novelsync.alerts set told_at = clock_timestamp() where id = v_request.id and told_at is null;
  else
    update novelsync.alerts set claimed_until = clock_timestamp() + make_interval(secs => v_request.pause)
    where id = v_request.id and claim = v_request.claim and told_at is null;
  end if;
  return json_build_object('told', v_request.told);
end
$$;
