-- NovelSync: what everything else needs: roles, the schema of the bookkeeping, and the types of ids.
--
-- All of these files are safe to run again: what exists is left alone, and so is every policy and grant on a table that
-- readers see, because from the first migration on they belong to the site.

-- This check comes before anything is made, because `supabase db push` commits each file by itself.
do $$
declare
  v_table text;
begin
  foreach v_table in array array['novels', 'chapters', 'chapter_changes'] loop
    -- Tables that NovelSync has made or adopted have these types with them; adopting makes the types first.
    if to_regclass('public.' || v_table) is not null
       and to_regtype(
         case v_table when 'chapter_changes' then 'novelsync.chapter_change' else 'novelsync.novel_id' end) is null then
      raise exception 'public.% exists and was not made by NovelSync; nothing was changed', v_table
        using errcode = 'P0001',
              hint = case v_table when 'chapter_changes' then '' else
                       'take novels and chapters over with `novelsync migrate --adopt`, which keeps every id; or ' end
                     || format('rename it (alter table public.%1$s rename to %1$s_before)', v_table)
                     || '; or use another database';
    end if;
  end loop;
end
$$;

-- Supabase has these roles. Elsewhere they are made without login, so that grants and policies mean the same.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
      execute format('create role %I nologin', v_role);
    end if;
  end loop;
end
$$;

-- A schema that the REST API does not expose.
create schema if not exists novelsync;
revoke all on schema novelsync from public;
grant usage on schema novelsync to service_role;

-- Functions name the types of ids only through these, so that adopted tables whose ids are uuid or text are served too.
do $$
begin
  if to_regtype('novelsync.novel_id') is null then
    create domain novelsync.novel_id as bigint;
  end if;
  if to_regtype('novelsync.chapter_id') is null then
    create domain novelsync.chapter_id as bigint;
  end if;
end
$$;
