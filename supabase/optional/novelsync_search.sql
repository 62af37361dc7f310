-- NovelSync, optional: a search for readers, over titles, authors and the titles of chapters. Safe to run again, which is
-- also how a newer one comes in. It needs no extension, and adds no column, table or trigger: only two indexes over
-- expressions, which Postgres itself keeps right, whoever writes.
--
-- To be rid of it: drop function public.search_novels; drop schema novelsync_search cascade;

do $$
begin
  if to_regclass('public.novels') is null or to_regtype('novelsync.novel_id') is null then
    raise exception 'there are no tables of NovelSync to search in' using hint = 'run `novelsync migrate` first';
  end if;
  if current_setting('server_encoding') <> 'UTF8' then
    raise exception 'the search needs a database in UTF8, and this one is in %', current_setting('server_encoding')
      using hint = 'make a database with `encoding ''UTF8''`';
  end if;
end
$$;

-- A schema that the REST API does not expose. Whoever writes a row computes what the indexes hold of it, so everybody may
-- call those functions; they see nothing but their arguments.
create schema if not exists novelsync_search;
grant usage on schema novelsync_search to public;

-- A text as it is compared: without case, marks and width, and with one blank for all that is neither letter nor digit.
-- It does not ask the database's locale, on which neither upper and lower nor [[:alnum:]] can be relied.
create or replace function novelsync_search.fold(p_text text) returns text
language plpgsql immutable parallel safe security invoker set search_path = '' as $$
declare
  v_marks constant text := '[\u0300-\u036F\u1DC0-\u1DFF\u20D0-\u20FF]+';
  v_signs constant text := '[\u0080-\u00BF\u2000-\u206F\u2190-\u2BFF\u3000-\u3004\u3008-\u3020\u3030\u303D\u30FB'
                           '\uFE30-\uFE4F]+';
  v_text text := p_text;
begin
  if octet_length(v_text) <> length(v_text) then
    -- NFC again, because NFKD cuts Korean syllables up; the marks of kana stay, for they make other letters.
    v_text := normalize(regexp_replace(normalize(v_text, NFKD), v_marks, '', 'g'), NFC);
    v_text := translate(
      regexp_replace(v_text, v_signs, ' ', 'g'),
      'ĐđÐðƉɖØøŁłŦŧĦħıȷΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩςАБВГДЕЖЗИКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯЂЄЅІЈЉЊЋЏҐ',
      'ddddddoolltthhijαβγδεζηθικλμνξοπρστυφχψωσабвгдежзиклмнопрстуфхцчшщъыьэюяђєѕіјљњћџґ');
    v_text := replace(replace(replace(replace(replace(
      v_text, 'ß', 'ss'), 'Æ', 'ae'), 'æ', 'ae'), 'Œ', 'oe'), 'œ', 'oe');
  end if;
  return btrim(regexp_replace(lower(v_text collate "C"), '[\u0001-\u002F\u003A-\u0060\u007B-\u007F]+', ' ', 'g'));
end
$$;

-- The characters of scripts without blanks between words: Thai, Lao, Burmese, Khmer, kana, Chinese; and Korean, whose words
-- grow at their ends.
create or replace function novelsync_search.unspaced() returns text
language plpgsql immutable parallel safe security invoker set search_path = '' as $$
begin
  return '[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u3005-\u3007\u3040-\u30FF\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7A3'
         '\uF900-\uFAFF\U00020000-\U0003FFFF]';
end
$$;

-- What the indexes hold: words; and where there are no blanks between them, each character with the next one, and the last
-- one alone, so that any part is found by its pairs, and a single character by what begins with it. Titles are searched up
-- to 500 characters, which are fewer bytes than a term may have: no title may fail a write.
create or replace function novelsync_search.document(p_text text) returns tsvector
language plpgsql immutable parallel safe security invoker set search_path = '' as $$
declare
  v_unspaced constant text := novelsync_search.unspaced();
  v_text text := left(novelsync_search.fold(left(p_text, 500)), 500);
begin
  if octet_length(v_text) <> length(v_text) and v_text ~ v_unspaced then
    v_text := regexp_replace(v_text, '(' || v_unspaced || '+)', ' \1 ', 'g');
    -- Cut into pairs from the first character on, and from the second: one of the two leaves the last one alone.
    v_text := regexp_replace(
      v_text || regexp_replace(v_text, ' ' || v_unspaced, ' ', 'g'), '(' || v_unspaced || '{2})', '\1 ', 'g');
  end if;
  return array_to_tsvector(array_remove(string_to_array(v_text, ' '), ''));
end
$$;

-- What somebody typed, folded, as a query: all of it must be there, and its last word may go on. Null: nothing to look for.
create or replace function novelsync_search.question(p_folded text) returns tsquery
language plpgsql immutable parallel safe security invoker set search_path = '' as $$
declare
  v_unspaced constant text := novelsync_search.unspaced();
begin
  return (
    with words as (
      select word, place, word ~ v_unspaced as unspaced, max(place) over () as last
      from unnest(string_to_array(regexp_replace(p_folded, '(' || v_unspaced || '+)', ' \1 ', 'g'), ' '))
        with ordinality w(word, place)
      where word <> '' and place <= 40)
    select string_agg(term, ' & ')::tsquery
    from words, lateral (
      select quote_literal(word) || case when place = last and length(word) > 1 then ':*' else '' end where not unspaced
      union all
      select quote_literal(word) || ':*' where unspaced and length(word) = 1
      union all
      select quote_literal(substr(word, n, 2)) from generate_series(1, length(word) - 1) n where unspaced) t(term));
end
$$;

create index if not exists novels_search on public.novels
  using gin (novelsync_search.document(title || ' ' || coalesce(author, ''))) where removed_at is null;
create index if not exists chapters_search on public.chapters
  using gin (novelsync_search.document(title)) where removed_at is null;

-- The two that ask the indexes run as their owner, and return ids, of which search_novels shows what its caller may read:
-- for readers, row-level security would come before a condition that is not leakproof, and so read every row.
-- Both stop at a number of rows, so that a word that is everywhere costs little more than a rare one; and as that would let
-- the planner hope to meet them early on another way, they leave it none but the two indexes.

-- rank: 1, what was asked stands there as it is; 3, all its words do. Those of chapters come between and behind: 2 and 4.
create or replace function novelsync_search.in_novels(p_folded text)
returns table (novel_id novelsync.novel_id, rank integer, place bigint)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off
set enable_indexscan = off set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_question constant tsquery := novelsync_search.question(p_folded);
begin
  return query
    with found as (
      select n.id, novelsync_search.fold(n.title) as title, n.author, n.last_chapter_at from public.novels n
      where n.removed_at is null and novelsync_search.document(n.title || ' ' || coalesce(n.author, '')) @@ v_question
      limit 2000),
    ranked as (
      select f.*, case when strpos(f.title, p_folded) > 0 or strpos(novelsync_search.fold(f.author), p_folded) > 0
                       then 1 else 3 end as rank
      from found f)
    select r.id::novelsync.novel_id, r.rank, row_number() over (
      order by r.rank, r.title = p_folded desc, starts_with(r.title, p_folded) desc, strpos(r.title, p_folded) > 0 desc,
               r.last_chapter_at desc nulls last, r.id)
    from ranked r order by 3 limit 1000;
end
$$;

-- Nothing, if it is not wanted.
create or replace function novelsync_search.in_chapters(p_folded text, p_wanted boolean)
returns table (novel_id novelsync.novel_id, chapter_id novelsync.chapter_id, rank integer, place bigint)
language plpgsql stable security definer set search_path = '' set enable_seqscan = off
set enable_indexscan = off set jit = off set plan_cache_mode = force_custom_plan as $$
declare
  v_question constant tsquery := novelsync_search.question(p_folded);
begin
  if not p_wanted then
    return;
  end if;
  return query
    with found as (
      select c.id, c.novel_id, c.position, novelsync_search.fold(c.title) as title from public.chapters c
      where c.removed_at is null and novelsync_search.document(c.title) @@ v_question
      limit 1000),
    ranked as (select f.*, case when strpos(f.title, p_folded) > 0 then 2 else 4 end as rank from found f)
    select r.novel_id::novelsync.novel_id, r.id::novelsync.chapter_id, r.rank,
           row_number() over (order by r.rank, length(r.title), r.novel_id, r.position)
    from ranked r;
end
$$;

-- For readers: novels by what their title or author has, and by a chapter's title, which is then named. Each novel once.
create or replace function public.search_novels(query text, at_most integer default 20, skip integer default 0)
returns table (
  id public.novels.id%type, slug text, title text, author text, cover_url text, chapter_count integer,
  last_chapter_at timestamptz, chapter_id public.chapters.id%type, chapter_position integer, chapter_title text)
language plpgsql stable security invoker set search_path = '' set jit = off as $$
#variable_conflict use_column
declare
  v_folded constant text := novelsync_search.fold(left(query, 200));
  v_skip constant integer := least(greatest(skip, 0), 1000);
  v_end constant integer := v_skip + least(greatest(at_most, 0), 100);
begin
  return query
    with titles as materialized (
      select n.id, f.rank, f.place from novelsync_search.in_novels(v_folded) f join public.novels n on n.id = f.novel_id
      where n.removed_at is null order by f.place limit v_end),
    found as (
      select t.id, null as chapter_id, null as position, null as title, t.rank, t.place from titles t
      union all
      select f.novel_id, c.id, c.position, c.title, f.rank, f.place
      from novelsync_search.in_chapters(v_folded, v_end > (select count(*) from titles where rank = 1)) f
      join public.chapters c on c.id = f.chapter_id where c.removed_at is null),
    best as (select distinct on (f.id) f.* from found f order by f.id, f.rank, f.place)
    select n.id, n.slug, n.title, n.author, n.cover_url, n.chapter_count, n.last_chapter_at, b.chapter_id, b.position, b.title
    from best b join public.novels n on n.id = b.id
    where n.removed_at is null
    order by b.rank, b.place limit v_end - v_skip offset v_skip;
end
$$;

-- For whoever may read novels: run this again after that has changed.
do $$
declare
  v_role text;
begin
  revoke all on function public.search_novels, novelsync_search.in_novels, novelsync_search.in_chapters
    from public, anon, authenticated;
  foreach v_role in array array['anon', 'authenticated', 'service_role'] loop
    if has_table_privilege(v_role, 'public.novels', 'select') then
      execute format('grant execute on function public.search_novels, novelsync_search.in_novels,'
                     ' novelsync_search.in_chapters to %I', v_role);
    end if;
  end loop;
end
$$;

-- What the planner knows of an expression, it knows from this.
analyze public.novels, public.chapters;

notify pgrst, 'reload schema';
