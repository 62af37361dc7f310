-- NovelSync: what the database is, for whoever looks whether all is set up; and an end to the reports of long ago.

-- The version of the newest migration file. Each file that is added defines this anew: the API shows nobody the ledger.
create or replace function novelsync.version() returns text
language plpgsql immutable security invoker set search_path = '' as $$
begin
  return '20261123210000';
end
$$;

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

-- Ends a run: stores its report and gives the lease back. Runs of more than 30 days ago are forgotten.
-- In: run_id, outcome, report, digest, quiet (it was the digest that begin had handed out), resume_at.
create or replace function public.novelsync_finish(json) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
begin
  select * into v_request
  from json_to_record($1) as r(
    run_id uuid, outcome text, report json, digest text, quiet boolean, resume_at text);

  update novelsync.runs
  set finished_at = clock_timestamp(), outcome = v_request.outcome, report = v_request.report
  where run_id = v_request.run_id;
  delete from novelsync.runs where finished_at < now() - interval '30 days';

  update novelsync.lease
  set run_id = '00000000-0000-0000-0000-000000000000', expires_at = '-infinity', holder = '',
      digest = v_request.digest, resume_at = v_request.resume_at,
      digest_since = case when v_request.quiet then digest_since else acquired_at end
  where run_id = v_request.run_id;
  return json_build_object('released', found);
end
$$;

do $$
declare
  v_function text;
begin
  foreach v_function in array array[
    'novelsync.version()', 'public.novelsync_doctor(json)', 'public.novelsync_finish(json)'] loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

notify pgrst, 'reload schema';
