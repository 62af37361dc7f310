-- NovelSync: what a run asks before it writes. Nothing here changes anything.

-- A page of the bookkeeping in the order in which storages list. In: after (a slug with a slash behind it, or ''), limit.
-- Out: arrays by column, because an object per row costs twice as much.
create or replace function public.novelsync_known_files(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r("after" text, "limit" integer);
  return (
    select json_build_object(
      'slug', coalesce(json_agg(f.slug), '[]'),
      'version', coalesce(json_agg(f.version), '[]'),
      'revision', coalesce(json_agg(f.revision), '[]'),
      'stored', coalesce(json_agg(f.novel_id is not null and f.removed_at is null), '[]'),
      'removed', coalesce(json_agg(f.novel_id is not null and f.removed_at is not null), '[]'),
      'missing_for', coalesce(json_agg(extract(epoch from now() - f.missing_since)), '[]'),
      'refused', coalesce(json_agg(exists (
        select from novelsync.problems p where p.slug = f.slug and p.kind = 'refused')), '[]'))
    from (
      select * from novelsync.files
      where (slug || '/') > v_request."after" collate "C"
      order by (slug || '/')
      limit v_request."limit"
    ) f);
end
$$;

-- Slugs of the novels whose texts are files of their own. In: after, limit. Out: a list.
create or replace function public.novelsync_novels_with_texts(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
begin
  return (
    select coalesce(json_agg(f.slug), '[]')
    from (
      select slug from novelsync.files
      where has_texts and slug > ($1 ->> 'after') collate "C"
      order by slug
      limit ($1 ->> 'limit')::integer
    ) f);
end
$$;

-- What the tables have of some novels. In: novels, a list of {slug, checksum, whole}; verify.
-- Out: one entry per slug that the bookkeeping has; with novel and chapters if "whole" asks for them, or if a checksum
-- is given and it is not the known one, or texts are files of their own, or the novel is removed, or something of it is
-- held. chapters: arrays by column, first the published ones (published: how many those are); by id short_texts, the
-- texts of under 2,000 bytes, and files, the file that a text is and its version; and fresh, the ids of those that came
-- in since something of the novel has been held.
-- verify: the texts are hashed, and a hash that does not match its text is answered as empty.
-- array_to_json, because json_agg puts a blank after each comma. Without sequential scans, because the planner takes
-- the table for empty while its statistics are older than a first import.
create or replace function public.novelsync_known_novels(json) returns json
language plpgsql stable security invoker
set search_path = '' set statement_timeout = '55s' set enable_seqscan = off as $$
declare
  v_verify constant boolean := coalesce(($1 ->> 'verify')::boolean, false);
begin
  return (
    select coalesce(json_agg(json_build_object(
      'slug', f.slug,
      'revision', f.revision,
      'version', f.version,
      'same', f.checksum = r.checksum and f.novel_id is not null,
      'removed', coalesce(n.removed_at is not null, false),
      'held_in_a_row', f.held_in_a_row,
      'has_texts', f.has_texts,
      'held', f.held,
      'held_changed', f.held_changed,
      'chapter_count', coalesce(n.chapter_count, 0),
      'shown_as', coalesce(n.slug, f.slug),
      'novel', case when w.whole and n.id is not null then
        json_build_object('title', n.title, 'author', n.author, 'description', n.description,
                          'cover_url', n.cover_url, 'status', n.status) end,
      'chapters', case when w.whole and n.id is not null then (
        select json_build_object(
          'id', coalesce(array_to_json(array_agg(c.id::text)), '[]'),
          'volume', coalesce(array_to_json(array_agg(c.volume)), '[]'),
          'position', coalesce(array_to_json(array_agg(c.position)), '[]'),
          'number', coalesce(array_to_json(array_agg(c.number::text)), '[]'),
          'title', coalesce(array_to_json(array_agg(c.title)), '[]'),
          'url_hash', coalesce(array_to_json(array_agg(
            case when c.url = '' then '' else encode(substr(sha256(convert_to(c.url, 'UTF8')), 1, 9), 'base64') end)), '[]'),
          'content_hash', coalesce(array_to_json(array_agg(case
            when v_verify and sha256(convert_to(c.content, 'UTF8')) <> c.content_hash then ''
            else rtrim(encode(c.content_hash, 'base64'), '=') end)), '[]'),
          'content_bytes', coalesce(array_to_json(array_agg(octet_length(c.content))), '[]'),
          'short_texts', coalesce(json_object_agg(c.id::text, c.content) filter (where octet_length(c.content) < 2000), '{}'),
          'files', coalesce(json_object_agg(c.id::text, json_build_array(c.file, c.version))
                            filter (where c.file is not null), '{}'),
          'fresh', coalesce(json_agg(c.id::text) filter (where c.created_at >= f.held_since), '[]'),
          'published', count(*) filter (where c.removed_at is null))
        from (
          select c.*, t.file, t.version
          from public.chapters c left join novelsync.texts t on f.has_texts and t.chapter_id = c.id
          where c.novel_id = f.novel_id and c.removed_at is distinct from 'infinity'
          order by c.removed_at is not null, c.position, c.id
        ) c) end)), '[]')
    from json_to_recordset($1 -> 'novels') as r(slug text, checksum text, whole boolean)
    join novelsync.files f on f.slug = r.slug
    left join public.novels n on n.id = f.novel_id
    cross join lateral (
      select coalesce(r.whole or f.checksum <> r.checksum
                      or (r.checksum is not null and (f.has_texts or n.removed_at is not null or f.held <> '')), false)
    ) as w(whole));
end
$$;

-- Finds novels that are missing under their old slug and are there under another: the same bytes, or more than half of
-- the texts. A missing novel that was removed still counts for 7 days, because both slugs may be missing for a while.
-- In: novels, the candidates as read, a list of {slug, checksum, texts (hashes in hex)}; null: those stored novels that
-- were first seen in the last 7 days and by a later run than the missing one.
-- missing: slugs that count as missing besides those that are marked.
-- Out: a list of {slug, former}, the surest first; a slug may come more than once.
create or replace function public.novelsync_find_renames(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' as $$
declare
  v_since constant timestamptz := now() - interval '7 days';
  v_given constant boolean := $1 ->> 'novels' is not null;
  v_missing constant text[] := array(select json_array_elements_text($1 -> 'missing'));
begin
  return (
    with gone as materialized (
      select f.slug, f.novel_id, f.checksum, f.first_seen, f.first_run
      from novelsync.files f
      where f.novel_id is not null and (f.missing_since is not null or f.slug = any (v_missing))
        and (f.removed_at is null or f.removed_at > v_since)
    ), heirs as materialized (
      select h.slug, h.checksum, null::novelsync.novel_id as novel_id, 'infinity'::timestamptz as first_seen,
             null::uuid as first_run
      from json_to_recordset(case when v_given then $1 -> 'novels' else '[]' end) as h(slug text, checksum text)
      union all
      select f.slug, f.checksum, f.novel_id, f.first_seen, f.first_run
      from novelsync.files f
      where not v_given and f.novel_id is not null and f.removed_at is null
        and f.missing_since is null and f.slug <> all (v_missing)
        and f.first_seen > greatest(v_since, (select min(g.first_seen) from gone g))
        and not exists (select from novelsync.problems p where p.slug = f.slug and p.kind = 'refused')
    ), gone_texts as materialized (
      select distinct g.slug, c.content_hash
      from gone g join public.chapters c on c.novel_id = g.novel_id
      where exists (select from heirs) and c.removed_at is null and octet_length(c.content) > 0
    ), totals as (
      select t.slug, count(*) as texts from gone_texts t group by t.slug
    ), heir_texts as (
      select distinct h.slug, decode(t.hash, 'hex') as content_hash
      from json_to_recordset(case when v_given then $1 -> 'novels' else '[]' end) as h(slug text, texts json),
           json_array_elements_text(h.texts) as t(hash)
      union all
      select distinct h.slug, c.content_hash
      from heirs h join public.chapters c on c.novel_id = h.novel_id
      where c.removed_at is null and octet_length(c.content) > 0
    ), alike as (
      select h.slug, g.slug as former, false as same, count(*) as texts
      from gone_texts g join heir_texts h on h.content_hash = g.content_hash join totals t on t.slug = g.slug
      group by h.slug, g.slug, t.texts
      having 2 * count(*) > t.texts
      union all
      select h.slug, g.slug, true, 0 from gone g join heirs h on h.checksum = g.checksum where g.checksum <> ''
    )
    select coalesce(json_agg(json_build_object('slug', a.slug, 'former', a.former)
                             order by a.same desc, a.texts desc, a.former, a.slug), '[]')
    from alike a join gone g on g.slug = a.former join heirs h on h.slug = a.slug
    where a.slug <> a.former and g.first_seen < h.first_seen
      and (g.first_run is null or h.first_run is null or g.first_run <> h.first_run));
end
$$;
