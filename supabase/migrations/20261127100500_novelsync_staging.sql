-- NovelSync: large novels come in by parts, out of the readers' sight, until one write publishes them.

-- The json in the body of a call that brings texts: the length of the texts (4 bytes, the highest first), then those,
-- each after its hash of 32 bytes, then the json, which says where each hash is (from 1) and how long its text.
create or replace function novelsync.request_of(p_body bytea) returns json
language plpgsql immutable security invoker set search_path = '' as $$
begin
  return convert_from(
    substr(p_body, 5 + ('x' || encode(substr(p_body, 1, 4), 'hex'))::bit(32)::integer), 'UTF8');
end
$$;

-- Deletes what unfinished writes of these slugs have staged. None of it was ever visible.
create or replace function novelsync.discard_staging(p_slugs text[]) returns void
language plpgsql security invoker set search_path = '' as $$
begin
  delete from public.chapters c using novelsync.staged_chapters s
    where s.slug = any (p_slugs) and c.id = s.chapter_id and c.removed_at = 'infinity';
  delete from public.novels n using novelsync.staging s
    where s.slug = any (p_slugs) and n.id = s.novel_id and n.removed_at = 'infinity';
  delete from novelsync.staging where slug = any (p_slugs);
end
$$;

-- Whether nobody will finish what was staged. p_run has the lease, so no other run is alive; a write that belongs to no
-- run (an event, a single novel) has an hour.
create or replace function novelsync.is_abandoned(p_staging novelsync.staging, p_run uuid) returns boolean
language plpgsql stable security invoker set search_path = '' as $$
begin
  return p_staging.run_id is distinct from p_run
    and (p_staging.run_id is not null or p_staging.touched_at < now() - interval '1 hour');
end
$$;

-- Discards what dead runs staged. Mostly there is nothing, and then no lock is taken.
create or replace function novelsync.discard_abandoned(p_run uuid) returns void
language plpgsql security invoker set search_path = '' as $$
declare
  v_slugs text[];
begin
  v_slugs := array(select s.slug from novelsync.staging s where novelsync.is_abandoned(s, p_run));
  if cardinality(v_slugs) = 0 then
    return;
  end if;
  -- Waits for a part that is just coming in: it may show that its owner is alive after all.
  perform from novelsync.files f where f.slug = any (v_slugs) order by f.slug for update;
  perform novelsync.discard_staging(array(
    select s.slug from novelsync.staging s where s.slug = any (v_slugs) and novelsync.is_abandoned(s, p_run)));
end
$$;

-- Opens the staging of a large novel. Its parts go to the novel that is stored under the former slug or under this one,
-- or else to a new row. Returns null if the novel under the former slug was written since, or is gone.
create or replace function novelsync.open_staging(
  p_run uuid, p_request_id uuid, p_file novelsync.files, p_former text, p_former_revision bigint, p_afresh boolean
) returns novelsync.staging
language plpgsql security invoker set search_path = '' as $$
declare
  v_novel_id novelsync.novel_id;
  v_staging novelsync.staging;
begin
  if p_former is not null then
    v_novel_id := (
      select f.novel_id from novelsync.files f where f.slug = p_former and f.revision = p_former_revision);
    if v_novel_id is null then
      return null;
    end if;
  elsif not p_afresh then
    v_novel_id := p_file.novel_id;
  end if;
  if v_novel_id is null then
    insert into public.novels (slug, title, removed_at) values (p_file.slug, p_file.slug, 'infinity')
    returning id into v_novel_id;
  end if;
  insert into novelsync.staging (slug, request_id, run_id, novel_id)
  values (p_file.slug, p_request_id, p_run, v_novel_id)
  returning * into v_staging;
  return v_staging;
end
$$;

-- Stages one part of a large novel. The first part must come alone; a part that came already changes nothing.
-- In: what request_of reads. Its json: run_id, slug, request_id, revision, former, former_revision, afresh (see
-- novelsync_write), part (from 1), created (new chapters), texts (text for stored chapters).
-- Out: outcome "staged", or "stale": somebody else has written the novel since, or is just staging it.
create or replace function public.novelsync_stage(bytea) returns json
language plpgsql security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_file novelsync.files;
  v_staging novelsync.staging;
begin
  select * into v_request from json_to_record(novelsync.request_of($1)) as r(
    run_id uuid, slug text, request_id uuid, revision bigint, former text, former_revision bigint, afresh boolean,
    part integer, created json, texts json);
  perform novelsync.assert_lease(v_request.run_id);

  -- The first part opens the staging; those that follow may come several at once, and in any order.
  if v_request.part = 1 then
    insert into novelsync.files (slug) values (v_request.slug) on conflict do nothing;
    select * into v_file from novelsync.files where slug = v_request.slug for update;
  else
    select * into v_file from novelsync.files where slug = v_request.slug for share;
  end if;
  if v_file.request_id = v_request.request_id then
    return json_build_object('outcome', 'staged');
  end if;

  select * into v_staging from novelsync.staging where slug = v_request.slug;
  if v_file.revision <> v_request.revision then
    if v_staging.request_id = v_request.request_id then
      perform novelsync.discard_staging(array[v_request.slug]);
    end if;
    return json_build_object('outcome', 'stale');
  end if;
  if v_staging.request_id is distinct from v_request.request_id then
    -- Whoever came first goes on, unless nothing more has come for a minute: then it is taken to be dead.
    if v_request.part > 1 or v_staging.touched_at > now() - interval '1 minute' then
      return json_build_object('outcome', 'stale');
    end if;
    perform novelsync.discard_staging(array[v_request.slug]);
    v_staging := novelsync.open_staging(v_request.run_id, v_request.request_id, v_file, v_request.former,
                                        v_request.former_revision, v_request.afresh);
    if v_staging.novel_id is null then
      return json_build_object('outcome', 'stale');
    end if;
  end if;
  insert into novelsync.staged_parts (slug, part) values (v_request.slug, v_request.part) on conflict do nothing;
  if not found then
    return json_build_object('outcome', 'staged');
  end if;

  with made as (
    insert into public.chapters (novel_id, volume, position, number, title, content, url, content_hash, removed_at)
    select v_staging.novel_id, c.volume, c.position, c.number, c.title,
           convert_from(substr($1, c.content + 32, c.size), 'UTF8'), c.url, substr($1, c.content, 32), 'infinity'
    from json_to_recordset(v_request.created) as c(
      volume text, position integer, number numeric, title text, url text, content integer, size integer)
    returning id)
  insert into novelsync.staged_chapters (slug, chapter_id) select v_request.slug, m.id from made m;

  insert into novelsync.staged_texts (slug, chapter_id, content, content_hash)
  select v_request.slug, t.id, convert_from(substr($1, t.content + 32, t.size), 'UTF8'), substr($1, t.content, 32)
  from json_to_recordset(v_request.texts) as t(id novelsync.chapter_id, content integer, size integer);

  -- Last, because from here on other parts wait until this one commits.
  update novelsync.staging set touched_at = greatest(touched_at, now()) where slug = v_request.slug;
  return json_build_object('outcome', 'staged');
end
$$;
