-- NovelSync: what an operator looks up: novels, one novel, runs, one run. Nothing here changes anything.

-- A page of novels. In: show (all, held, refused, differs, warning, missing, without-text, removed), search (in slug, title and
-- author; ''), sort (updated, added, title, chapters), after (the slug of the last one on the page before; null: the
-- first page), limit.
-- Out: total (of those that match; null without a search: novelsync_novel_counts says it), novels: a list of {slug, known
-- (false: the site made its row itself), title, author, status, chapters, updated_at, last_chapter_at, missing_since,
-- removed_at, problems (kinds)}; title is null if nothing is stored of it.
create or replace function public.novelsync_novels(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_slug text;
  v_key text;
  v_from text;
  v_search text;
  v_order text;
  v_after text;
  v_last text;
  v_total bigint;
  v_slugs text[];
begin
  select * into v_request
  from json_to_record($1) as r(show text, search text, sort text, "after" text, "limit" integer);
  v_slug := case v_request.show when 'all' then 'n.slug' else 'f.slug' end;
  v_from := case v_request.show
    when 'all' then 'public.novels n where n.removed_at is null'
    when 'removed' then
      'novelsync.files f join public.novels n on n.id = f.novel_id where f.removed_at is not null'
    when 'missing' then
      'novelsync.files f join public.novels n on n.id = f.novel_id'
      ' where f.missing_since is not null and f.removed_at is null'
    when 'without-text' then
      'novelsync.files f join public.novels n on n.id = f.novel_id where f.blank and f.missing_since is null'
    else
      'novelsync.problems p join novelsync.files f on f.slug = p.slug left join public.novels n on n.id = f.novel_id'
      ' where p.kind = $4 and f.missing_since is null'
    end;
  v_key := case v_request.sort
    when 'updated' then 'n.updated_at' when 'added' then 'n.last_chapter_at' when 'chapters' then 'n.chapter_count'
    else format('lower(coalesce(n.title, %s))', v_slug) end;
  v_search := case when v_request.search = '' then ''
                   else format(' and concat_ws('' '', n.title, n.author, %s) ilike $1', v_slug) end;
  v_order := case v_request.sort when 'title' then 'm.key, m.slug' else 'm.key desc nulls last, m.slug' end;
  -- Those without a key come last. The novel after which the page begins may have moved meanwhile; then so has the page,
  -- and if it is gone, the page is the first.
  v_after := case
    when v_request."after" is null then ''
    when v_request.sort = 'title' then
      ' left join a on true where a.slug is null or m.key > a.key or (m.key = a.key and m.slug > $2)'
    else ' left join a on true where a.slug is null or m.key < a.key or (m.key is null and a.key is not null)'
         ' or (m.key is not distinct from a.key and m.slug > $2)' end;
  v_last := case v_request.show
    when 'all' then format('select n.slug, %s as key from public.novels n where n.slug = $2 and n.removed_at is null', v_key)
    else format('select f.slug, %s as key from novelsync.files f left join public.novels n on n.id = f.novel_id'
                ' where f.slug = $2', v_key) end;
  execute format(
    'with m as %s (select %s as slug, %s as key from %s%s),'
    ' a as (%s)'
    ' select %s, array(select m.slug from m%s order by %s limit $3)',
    case when v_search = '' then 'not materialized' else 'materialized' end, v_slug, v_key, v_from, v_search,
    v_last, case when v_search = '' then 'null' else '(select count(*) from m)' end,
    v_after, v_order)
  into v_total, v_slugs
  using '%' || replace(replace(replace(v_request.search, '\', '\\'), '%', '\%'), '_', '\_') || '%',
        v_request."after", v_request."limit", v_request.show;
  return json_build_object('total', v_total, 'novels', (
    select coalesce(json_agg(json_build_object(
      'slug', o.slug, 'known', f.slug is not null, 'title', left(n.title, 300), 'author', left(n.author, 200), 'status', left(n.status, 100),
      'chapters', n.chapter_count, 'updated_at', n.updated_at, 'last_chapter_at', n.last_chapter_at,
      'missing_since', f.missing_since, 'removed_at', f.removed_at,
      'problems', array(select x.kind from novelsync.problems x where x.slug = o.slug order by x.kind))
      order by o.place), '[]')
    from unnest(v_slugs) with ordinality as o(slug, place)
    left join novelsync.files f on f.slug = o.slug
    left join public.novels n on n.id = coalesce(f.novel_id, (
      -- A row that the site made itself.
      select x.id from public.novels x where f.slug is null and x.slug = o.slug and x.removed_at is null))));
end
$$;

-- How many novels there are of each sort that novelsync_novels shows.
create or replace function public.novelsync_novel_counts(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
begin
  return (
    select json_build_object(
      'all', (select count(*) from public.novels where removed_at is null),
      'held', coalesce(k.counts ->> 'held', '0')::bigint,
      'refused', coalesce(k.counts ->> 'refused', '0')::bigint,
      'differs', coalesce(k.counts ->> 'differs', '0')::bigint,
      'warning', coalesce(k.counts ->> 'warning', '0')::bigint,
      'missing', (select count(*) from novelsync.files
                  where missing_since is not null and removed_at is null and novel_id is not null),
      'without-text', (select count(*) from novelsync.files
                       where blank and missing_since is null and novel_id is not null),
      'removed', (select count(*) from novelsync.files where removed_at is not null and novel_id is not null))
    from (
      select json_object_agg(c.kind, c.n) as counts
      from (
        select p.kind, count(*) as n
        from novelsync.problems p join novelsync.files f on f.slug = p.slug
        where f.missing_since is null
        group by p.kind) c) k);
end
$$;

-- One novel. In: slug, after (a position; 0: the first page), limit (chapters), changes (how many).
-- Out: novel (null: nothing is known of that slug), with, besides its fields (null: nothing is stored) chapters_total and
-- chapters_with_text (published ones), removed_chapters, problems, chapters: a page of the published ones, and changes:
-- those of the feed, what came at once together: {run_id, at, added, changed, removed, restored, novel (what changed of
-- the novel itself), titles (of the first chapters)}, the newest first.
create or replace function public.novelsync_novel(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_file novelsync.files;
begin
  select * into v_request from json_to_record($1) as r(slug text, "after" integer, "limit" integer, changes integer);
  select * into v_file from novelsync.files f where f.slug = v_request.slug;
  if v_file.slug is null then
    return json_build_object('novel', null);
  end if;
  return json_build_object('novel', json_build_object(
    'slug', v_file.slug,
    'first_seen', v_file.first_seen,
    'missing_since', v_file.missing_since,
    'removed_at', v_file.removed_at,
    'held', split_part(v_file.held, ' ', 1),
    'kept', v_file.held like '% kept',
    'held_since', v_file.held_since,
    'has_texts', v_file.has_texts,
    'fields', (
      select json_build_object(
        'id', n.id::text, 'title', left(n.title, 1000), 'author', left(n.author, 1000), 'status', left(n.status, 1000),
        'description', left(n.description, 5000), 'cover_url', left(n.cover_url, 2000),
        'created_at', n.created_at, 'updated_at', n.updated_at, 'last_chapter_at', n.last_chapter_at)
      from public.novels n where n.id = v_file.novel_id),
    'problems', (
      select coalesce(json_agg(json_build_object(
        'kind', p.kind, 'message', p.message, 'hint', p.hint, 'since', p.since) order by p.kind), '[]')
      from novelsync.problems p where p.slug = v_file.slug),
    'chapters_total', (
      select count(*) from public.chapters c where c.novel_id = v_file.novel_id and c.removed_at is null),
    'chapters_with_text', (
      select count(*) from public.chapters c
      where c.novel_id = v_file.novel_id and c.removed_at is null and octet_length(c.content) > 0),
    'removed_chapters', (
      select count(*) from public.chapters c where c.novel_id = v_file.novel_id and c.removed_at < 'infinity'),
    'chapters', (
      select coalesce(json_agg(json_build_object(
        'id', c.id::text, 'position', c.position, 'volume', left(c.volume, 200), 'number', c.number::text,
        'title', left(c.title, 300), 'bytes', octet_length(c.content), 'updated_at', c.updated_at) order by c.position), '[]')
      from (
        select * from public.chapters c
        where c.novel_id = v_file.novel_id and c.removed_at is null and c.position > v_request."after"
        order by c.position limit v_request."limit") c),
    'changes', (
      select coalesce(json_agg(json_build_object(
        'run_id', g.run_id, 'at', g.at, 'added', g.added, 'changed', g.changed, 'removed', g.removed,
        'restored', g.restored, 'novel', g.novel, 'titles', (
          select coalesce(json_agg(left(c.title, 200) order by u.place), '[]')
          from unnest(g.first_chapters) with ordinality as u(id, place) join public.chapters c on c.id = u.id))
        order by g.last desc), '[]')
      from (
        select x.run_id, max(x.changed_at) as at, max(x.id) as last,
               coalesce(sum(x.chapter_count) filter (where x.chapter_id is null and x.kind = 'added'), 0)
                 + count(x.chapter_id) filter (where x.kind = 'added') as added,
               count(x.chapter_id) filter (where x.kind = 'changed') as changed,
               count(x.chapter_id) filter (where x.kind = 'removed') as removed,
               count(x.chapter_id) filter (where x.kind = 'restored') as restored,
               array(select distinct u from unnest(string_to_array(string_agg(
                 case when x.kind = 'changed' then array_to_string(x.fields, ',') else x.kind end, ',')
                 filter (where x.chapter_id is null), ',')) u order by 1) as novel,
               (array_agg(x.chapter_id order by x.id) filter (where x.chapter_id is not null))[1:3] as first_chapters
        from (
          select * from public.chapter_changes x where x.novel_id = v_file.novel_id
          order by x.id desc limit 5000) x
        group by x.run_id, x.changed_at
        order by last desc limit v_request.changes) g)));
end
$$;

-- Finished runs, the newest first. In: before (the id of the last one of the page before; null: the first page), limit.
-- Out: a list as novelsync_status has it, without its limit of a day.
create or replace function public.novelsync_runs(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
begin
  select * into v_request from json_to_record($1) as r(before uuid, "limit" integer);
  return (
    select coalesce(json_agg(novelsync.run_summary(r) order by r.finished_at desc, r.run_id desc), '[]')
    from (
      select * from novelsync.runs r
      where r.finished_at is not null
        and (v_request.before is null or (r.finished_at, r.run_id) < (
          select b.finished_at, b.run_id from novelsync.runs b where b.run_id = v_request.before))
      order by r.finished_at desc, r.run_id desc limit v_request."limit") r);
end
$$;

-- One run. In: run_id, limit (novels). Out: run (null: it is not known), with run_id, trigger, started_at, finished_at,
-- outcome, report (null: it died before), changed (how many novels it changed), novels: those it changed, by slug:
-- {slug, title, added, changed, removed, restored}.
create or replace function public.novelsync_run(json) returns json
language plpgsql stable security invoker set search_path = '' set statement_timeout = '55s' set jit = off as $$
declare
  v_request record;
  v_run novelsync.runs;
begin
  select * into v_request from json_to_record($1) as r(run_id uuid, "limit" integer);
  select * into v_run from novelsync.runs r where r.run_id = v_request.run_id;
  if v_run.run_id is null then
    return json_build_object('run', null);
  end if;
  return (
    with mine as materialized (
      select x.novel_id,
             coalesce(sum(x.chapter_count) filter (where x.chapter_id is null and x.kind = 'added'), 0)
               + count(x.chapter_id) filter (where x.kind = 'added') as added,
             count(x.chapter_id) filter (where x.kind = 'changed') as changed,
             count(x.chapter_id) filter (where x.kind = 'removed') as removed,
             count(x.chapter_id) filter (where x.kind = 'restored') as restored
      from public.chapter_changes x
      -- Its index is by time. A write that was begun in time may be recorded a little later.
      where x.changed_at between v_run.started_at and coalesce(v_run.finished_at, now()) + interval '1 minute'
        and x.run_id = v_run.run_id
      group by x.novel_id
    )
    select json_build_object('run', json_build_object(
      'run_id', v_run.run_id, 'trigger', v_run.trigger, 'started_at', v_run.started_at,
      'finished_at', v_run.finished_at, 'outcome', v_run.outcome, 'report', v_run.report,
      'changed', (select count(*) from mine),
      'novels', (
        select coalesce(json_agg(json_build_object(
          'slug', o.slug, 'title', left(o.title, 300), 'added', o.added, 'changed', o.changed, 'removed', o.removed,
          'restored', o.restored) order by o.slug), '[]')
        from (
          select n.slug, n.title, m.added, m.changed, m.removed, m.restored
          from mine m join public.novels n on n.id = m.novel_id
          order by n.slug limit v_request."limit") o))));
end
$$;
