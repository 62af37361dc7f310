-- NovelSync: whoever may not add a row needs nothing of the sequences that number them.
--
-- Supabase grants them to everybody by default, and the REST API shows a sequence as it shows a table: how many rows
-- there have ever been, those that readers do not see included.

do $$
declare
  v_table text;
  v_role text;
  v_sequence text;
begin
  foreach v_table in array array['public.novels', 'public.chapters'] loop
    v_sequence := pg_catalog.pg_get_serial_sequence(v_table, 'id');
    continue when v_sequence is null;  -- tables that were taken over may have ids of their own
    foreach v_role in array array['anon', 'authenticated'] loop
      if not has_table_privilege(v_role, v_table, 'insert') then
        execute format('revoke all on sequence %s from %I', v_sequence, v_role);
      end if;
    end loop;
  end loop;
end
$$;
