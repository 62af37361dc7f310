-- NovelSync: what a run asks before it writes. Nothing here changes anything.

-- A page of the bookkeeping in the order in which storages list. In: after (a slug with a slash behind it, or ''), limit.
-- Out: arrays by column, because an object per row costs twice as much.
create or replace function public.novelsync_known_files(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
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
        select from novelsync.problems p where p.slug = f.slug and p.kind = 'refused')), '[]'),
      'withheld', coalesce(json_agg(exists (
        select from novelsync.withheld w where w.slug = f.slug and w.whole)), '[]'))
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
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
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

-- Whether there is nothing in a chapter that could tell it: purging it has emptied it, and kept its row.
create or replace function novelsync.is_blank(
  p_volume text, p_number numeric, p_title text, p_content text, p_url text
) returns boolean
language plpgsql immutable security invoker set search_path = '' as $$
begin
  return p_volume is null and p_number is null and p_title = '' and p_content = '' and p_url = '';
end
$$;

-- What the tables have of some novels. In: novels, a list of {slug, checksum, whole}; verify.
-- Out: one entry per slug that the bookkeeping has (withheld: what takedowns kept back of its file: whether all, how many
-- chapters, by which; null: nothing); with novel and chapters if "whole" asks for them, or if a checksum
-- is given and it is not the known one, or texts are files of their own, or the novel is removed, or something of it is
-- held. chapters: arrays by column, first the published ones (published: how many those are); removed_lately, the ids of
-- those removed within 24 hours and since the last confirmation; fresh, the ids of those that came in since something of
-- the novel has been held; taken_down, those of rows that takedowns have hidden; and by id files, the file that a text
-- is and its version, and peaks, the most letters that a text showed within 24 hours, where it has fewer now.
-- verify: the texts are hashed, and a hash that does not match its text is answered as empty.
-- array_to_json, because json_agg puts a blank after each comma. Without sequential scans, because the planner takes
-- the table for empty while its statistics are older than a first import.
create or replace function public.novelsync_known_novels(json) returns json
language plpgsql stable security invoker
set search_path = '' set statement_timeout = '55s' set jit = off set enable_seqscan = off as $$
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
      'withheld', (
        select json_build_array(h.whole, h.chapters, h.takedowns) from novelsync.withheld h where h.slug = f.slug),
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
          'removed_lately', coalesce(json_agg(c.id::text) filter (
            where c.removed_at > now() - interval '24 hours'
              and c.removed_at > coalesce(f.accepted_at, '-infinity')), '[]'),
          'peaks', (
            select coalesce(json_object_agg(s.chapter_id::text, s.letters), '{}')
            from novelsync.shrunk s where s.novel_id = f.novel_id and s.since > now() - interval '24 hours'),
          'files', coalesce(json_object_agg(c.id::text, json_build_array(c.file, c.version))
                            filter (where c.file is not null), '{}'),
          'fresh', coalesce(json_agg(c.id::text) filter (where c.created_at >= f.held_since), '[]'),
          'taken_down', coalesce(json_agg(c.id::text) filter (where exists (
            select from novelsync.withheld_chapters h where h.chapter_id = c.id)), '[]'),
          'published', count(*) filter (where c.removed_at is null))
        from (
          select c.*, t.file, t.version
          from public.chapters c left join novelsync.texts t on f.has_texts and t.chapter_id = c.id
          where c.novel_id = f.novel_id and c.removed_at is distinct from 'infinity'
            -- What was emptied for good comes back under no chapter of a file.
            and (c.removed_at is null or not novelsync.is_blank(c.volume, c.number, c.title, c.content, c.url))
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

-- Stored texts. In: ids. Out: a list of [id, text]; a row that is gone is left out.
create or replace function public.novelsync_texts(json) returns json
language plpgsql stable security invoker
set search_path = '' set statement_timeout = '55s' set jit = off set enable_seqscan = off as $$
begin
  return (
    select coalesce(json_agg(json_build_array(c.id::text, c.content)), '[]')
    from json_array_elements_text($1 -> 'ids') as i(id) join public.chapters c on c.id = i.id::novelsync.chapter_id);
end
$$;

-- The novels that readers see some texts in. In: hashes (in hex). Out: a list of [hash, slugs]. Of a text that stands in
-- very many chapters, 20 are looked at.
create or replace function public.novelsync_novels_with(json) returns json
language plpgsql stable security invoker
set search_path = '' set statement_timeout = '55s' set jit = off set enable_seqscan = off as $$
begin
  return (
    select coalesce(json_agg(json_build_array(h.hash, h.slugs)), '[]')
    from (
      select i.hash, json_agg(distinct f.slug) as slugs
      from json_array_elements_text($1 -> 'hashes') as i(hash)
      cross join lateral (
        select c.novel_id from public.chapters c
        where c.content_hash = decode(i.hash, 'hex') and c.removed_at is null limit 20) c
      join novelsync.files f on f.novel_id = c.novel_id
      group by i.hash) h);
end
$$;

-- The stored novels that have the same bytes as those asked for, or some of the same texts.
-- p_asked: slug, checksum, texts (hashes in hex). Of a text that stands in very many novels, 20 rows are looked at.
-- Out: asked (its slug), slug, same (the bytes), texts (how many of them).
-- Looked up one by one, because a join would be planned for tables of the size that they had long ago.
create or replace function novelsync.find_alike(p_asked jsonb) returns jsonb
language plpgsql stable security invoker set search_path = '' set enable_seqscan = off as $$
begin
  return (
    select coalesce(jsonb_agg(to_jsonb(l)), '[]')
    from (
      select a.slug as asked, f.slug, bool_or(h.same) as same, count(distinct h.content_hash) as texts
      from jsonb_to_recordset(p_asked) as a(slug text, checksum text, texts text[])
      cross join lateral (
        select c.novel_id, c.content_hash, false as same
        from unnest(a.texts) as t(hash)
        cross join lateral (
          select c.novel_id, c.content_hash from public.chapters c
          where c.content_hash = decode(t.hash, 'hex') and c.removed_at is null limit 20) c
        union all
        select s.novel_id, null, true
        from novelsync.files s where s.checksum = a.checksum and s.checksum <> '' and s.novel_id is not null) h
      cross join lateral (select f.slug from novelsync.files f where f.novel_id = h.novel_id limit 1) f
      where f.slug <> a.slug
      group by a.slug, f.slug) l);
end
$$;

-- Which stored novels some files may be under another slug: those with the same bytes, or with some of the same texts; and
-- missing ones with the same title.
-- It only suggests: whoever asks compares the whole novels, and looks whether the other slug still has its own.
-- A novel that was removed counts for 7 days, because both slugs may be missing for a while.
-- In: novels, a list of {slug, checksum, texts (hashes in hex, a few that tell), title}; null: those stored novels that
-- were first seen in the last 7 days, later than one that is missing now and by a later run.
-- missing: slugs that count as missing besides those that are marked. taken_by: a run that hands its novels out; what it
-- has found before is not suggested (null: there is none).
-- Out: a list of {slug, former}, the likeliest first; of each novel that is asked for, up to three of either kind.
-- However large the tables are, it looks at 20 rows per text, at 1,000 missing novels and 32 rows of each. What it has
-- not come to within a second is left undecided, and so is all of it while the tables are locked. Without sequential
-- scans for the reason given above.
create or replace function public.novelsync_find_renames(json) returns json
language plpgsql stable security invoker
set search_path = '' set statement_timeout = '55s' set jit = off set lock_timeout = '1s' set enable_seqscan = off as $$
declare
  v_until constant timestamptz := clock_timestamp() + interval '900 milliseconds';
  v_since constant timestamptz := now() - interval '7 days';
  v_given constant boolean := $1 ->> 'novels' is not null;
  v_missing constant text[] := array(select json_array_elements_text($1 -> 'missing'));
  v_taken_by constant uuid := ($1 ->> 'taken_by')::uuid;
  v_some jsonb;
  v_pairs jsonb := '[]';
begin
  for v_some in
    select jsonb_agg(a.novel)
    from json_array_elements(case when v_given then $1 -> 'novels' else '[]' end) with ordinality as a(novel, place)
    group by a.place / 32 order by a.place / 32
  loop
    v_pairs := v_pairs || (
      select coalesce(jsonb_agg(to_jsonb(l)) filter (where l.place <= 3), '[]')
      from (
        select a.asked as slug, a.slug as former, a.same, m.missing, a.texts,
               row_number() over (partition by a.asked order by a.same desc, m.missing desc, a.texts desc, a.slug) as place
        from jsonb_to_recordset(novelsync.find_alike(v_some)) as a(asked text, slug text, same boolean, texts bigint)
        join jsonb_to_recordset(v_some) as s(slug text, texts text[]) on s.slug = a.asked
        join novelsync.files f on f.slug = a.slug
        cross join lateral (select f.missing_since is not null or f.slug = any (v_missing)) as m(missing)
        where (f.removed_at is null or f.removed_at > v_since)
          and (v_taken_by is null or not exists (
            select from novelsync.message_renames r where r.run_id = v_taken_by and r.former = f.slug))
          and (a.same or 4 * a.texts >= cardinality(s.texts))) l);
    v_pairs := v_pairs || (
      with gone as materialized (
        select f.slug, lower(t.title) as title
        from novelsync.files f join public.novels t on t.id = f.novel_id
        where (f.missing_since is not null or f.slug = any (v_missing))
          and (f.removed_at is null or f.removed_at > v_since)
          and (v_taken_by is null or not exists (
            select from novelsync.message_renames r where r.run_id = v_taken_by and r.former = f.slug))
        order by f.missing_since desc nulls first limit 1000)
      select coalesce(jsonb_agg(jsonb_build_object(
        'slug', s.slug, 'former', g.slug, 'same', false, 'missing', true, 'texts', 0)), '[]')
      from jsonb_to_recordset(v_some) as s(slug text, title text)
      cross join lateral (
        select g.slug from gone g where g.title = lower(s.title) and g.slug <> s.slug order by g.slug limit 3) g);
    exit when clock_timestamp() > v_until;
  end loop;

  for v_some in
    select jsonb_agg(g.slug)
    from (
      select f.slug, row_number() over (order by f.removed_at is not null, f.missing_since desc nulls first) as place
      from novelsync.files f
      where not v_given and f.novel_id is not null and (f.missing_since is not null or f.slug = any (v_missing))
        and (f.removed_at is null or f.removed_at > v_since)
      order by place limit 1000) g
    group by g.place / 32 order by g.place / 32
  loop
    v_some := (
      select jsonb_agg(jsonb_build_object('slug', f.slug, 'checksum', f.checksum, 'texts', array(
        select distinct encode(c.content_hash, 'hex')
        from (
          select t.content_hash, octet_length(t.content) as bytes
          from public.chapters t where t.novel_id = f.novel_id and t.removed_at is null limit 32) c
        where c.bytes >= 200 order by 1 limit 8)))
      from novelsync.files f where f.slug in (select jsonb_array_elements_text(v_some)));
    v_pairs := v_pairs || (
      select coalesce(jsonb_agg(jsonb_build_object(
        'slug', f.slug, 'former', g.slug, 'same', a.same, 'missing', true, 'texts', a.texts)), '[]')
      from jsonb_to_recordset(novelsync.find_alike(v_some)) as a(asked text, slug text, same boolean, texts bigint)
      join novelsync.files g on g.slug = a.asked
      join novelsync.files f on f.slug = a.slug
      where f.removed_at is null and f.missing_since is null and f.slug <> all (v_missing)
        and f.first_seen > greatest(v_since, g.first_seen)
        and (f.first_run is null or g.first_run is null or f.first_run <> g.first_run)
        and not exists (select from novelsync.problems p where p.slug = f.slug and p.kind = 'refused'));
    exit when clock_timestamp() > v_until;
  end loop;

  return (
    select coalesce(json_agg(json_build_object('slug', p.slug, 'former', p.former)
                             order by p.same desc, p.missing desc, p.texts desc, p.former, p.slug), '[]')
    from jsonb_to_recordset(v_pairs) as p(slug text, former text, missing boolean, same boolean, texts bigint));
exception when lock_not_available then
  return '[]';
end
$$;
