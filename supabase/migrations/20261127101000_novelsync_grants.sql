-- NovelSync: who may call and touch what, and the version. A later file that adds a function or a table repeats the part
-- that it needs; a test sees to it.

-- The version of the newest migration file, which defines this anew: the API shows nobody the ledger.
create or replace function novelsync.version() returns text
language plpgsql immutable security invoker set search_path = '' as $$
begin
  return '20261127101000';
end
$$;

grant select, insert, update, delete on all tables in schema novelsync to service_role;

-- Functions are for service_role alone. Supabase's default privileges grant new ones to anon and authenticated by name,
-- so "from public" alone would leave those in.
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid from pg_catalog.pg_proc p
    where p.pronamespace = 'novelsync'::regnamespace
      or (p.pronamespace = 'public'::regnamespace and p.proname like 'novelsync\_%')
  loop
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to service_role', v_function);
  end loop;
end
$$;

-- Whoever may not add a row needs nothing of the sequences that number them. Supabase grants them to everybody by
-- default, and the REST API shows a sequence as it shows a table: how many rows there have ever been, those that readers
-- do not see included.
do $$
declare
  v_table text;
  v_role text;
  v_sequence text;
begin
  foreach v_table in array array['public.novels', 'public.chapters'] loop
    v_sequence := pg_catalog.pg_get_serial_sequence(v_table, 'id');
    continue when v_sequence is null;  -- adopted tables may have ids of their own
    foreach v_role in array array['anon', 'authenticated'] loop
      if not has_table_privilege(v_role, v_table, 'insert') then
        execute format('revoke all on sequence %s from %I', v_sequence, v_role);
      end if;
    end loop;
  end loop;
end
$$;

notify pgrst, 'reload schema';
