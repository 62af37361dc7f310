-- NovelSync: the change feed, in which a site reads which chapters are new.

do $$
begin
  if to_regclass('public.chapter_changes') is not null and to_regtype('novelsync.chapter_change') is null then
    raise exception 'public.chapter_changes exists and was not made by NovelSync; nothing was changed'
      using errcode = 'P0001',
            hint = 'rename it (alter table public.chapter_changes rename to my_chapter_changes)';
  end if;
end
$$;

-- An entry on its way to the feed. chapter_id null: the novel as a whole.
do $$
begin
  if to_regtype('novelsync.chapter_change') is null then
    create type novelsync.chapter_change as (
      novel_id novelsync.novel_id,
      chapter_id novelsync.chapter_id,
      kind text,
      fields text[],
      chapter_count integer
    );
  end if;
end
$$;

-- Ids are given in the order of commits, so that whoever has read up to one has missed none before it.
do $$
declare
  v_role text;
begin
  if to_regclass('public.chapter_changes') is not null then
    return;
  end if;

  create table public.chapter_changes (
    id bigint generated always as identity primary key,
    novel_id novelsync.novel_id not null references public.novels (id) on delete cascade,
    chapter_id novelsync.chapter_id references public.chapters (id) on delete cascade,
    kind text not null check (kind in ('added', 'changed', 'removed', 'restored')),
    fields text[] not null default '{}',
    chapter_count integer,
    run_id uuid,
    changed_at timestamptz not null default clock_timestamp()
  );
  comment on column public.chapter_changes.chapter_id is 'null: the novel as a whole';
  comment on column public.chapter_changes.fields is 'what changed';
  comment on column public.chapter_changes.chapter_count is 'of a novel that was added: with so many chapters';
  create index chapter_changes_novel_id on public.chapter_changes (novel_id, id);
  create index chapter_changes_chapter_id on public.chapter_changes (chapter_id) where chapter_id is not null;
  create index chapter_changes_changed_at on public.chapter_changes (changed_at);

  alter table public.chapter_changes enable row level security;
  revoke all on public.chapter_changes from public, anon, authenticated;
  revoke all on sequence public.chapter_changes_id_seq from public, anon, authenticated;
  grant select, insert, delete on public.chapter_changes to service_role;
  create policy "novelsync writes" on public.chapter_changes for all to service_role using (true) with check (true);

  -- Whoever may read novels, since the site may have decided on that anew. An entry holds ids and no text.
  foreach v_role in array array['anon', 'authenticated'] loop
    if has_table_privilege(v_role, 'public.novels', 'select') then
      execute format('grant select on public.chapter_changes to %I', v_role);
      execute format('create policy %I on public.chapter_changes for select to %I using (true)',
                     'readers see changes: ' || v_role, v_role);
    end if;
  end loop;
end
$$;
