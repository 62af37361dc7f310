"""Tables as sites have them, before NovelSync comes."""

from typing import Final

AUTH: Final = """
create schema auth;
create table auth.users (id uuid primary key default gen_random_uuid(), email text);
create function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
grant usage on schema auth to anon, authenticated, service_role;
grant execute on function auth.uid() to anon, authenticated, service_role;
"""
"""What Supabase has, as far as these tables need it."""

REPLACED: Final = (
    AUTH
    + """
create table novels (
  id bigserial primary key, title varchar(255) not null, author varchar(255) default '', description text default '',
  cover_image varchar(500) default '', status varchar(50) default 'ongoing', total_chapters integer default 0,
  views integer default 0, rating integer default 0,
  created_at timestamptz default now(), updated_at timestamptz default now());
create table chapters (
  id bigserial primary key, novel_id bigint references novels (id) on delete cascade,
  chapter_number decimal(10,2) not null, title varchar(255), content_file varchar(500) not null,
  word_count integer default 0, views integer default 0,
  created_at timestamptz default now(), updated_at timestamptz default now());
create index idx_chapters_novel_id on chapters (novel_id);
create index idx_chapters_number on chapters (chapter_number);
create index idx_chapters_novel_number on chapters (novel_id, chapter_number);
create table user_profiles (id uuid primary key references auth.users (id) on delete cascade, role varchar(20));
create table reading_progress (
  id bigserial primary key, user_id uuid references auth.users (id) on delete cascade,
  novel_id bigint references novels (id) on delete cascade,
  chapter_id bigint references chapters (id) on delete cascade,
  chapter_number decimal(10,2) not null, updated_at timestamptz default now(), unique (user_id, novel_id));
create table bookshelf (
  id bigserial primary key, user_id uuid references auth.users (id) on delete cascade,
  novel_id bigint references novels (id) on delete cascade, unique (user_id, novel_id));

create function update_updated_at_column() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
create trigger update_novels_updated_at before update on novels
  for each row execute function update_updated_at_column();
create trigger update_chapters_updated_at before update on chapters
  for each row execute function update_updated_at_column();
create function update_novel_chapter_count() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    update novels set total_chapters = (select count(*) from chapters where novel_id = new.novel_id)
    where id = new.novel_id;
    return new;
  else
    update novels set total_chapters = (select count(*) from chapters where novel_id = old.novel_id)
    where id = old.novel_id;
    return old;
  end if;
end $$;
create trigger update_chapter_count after insert or delete on chapters
  for each row execute function update_novel_chapter_count();
create function increment_novel_views(novel_id_param bigint) returns void language plpgsql security definer as $$
begin
  update novels set views = views + 1 where id = novel_id_param;
end $$;
create function update_reading_progress(p_user uuid, p_novel bigint, p_chapter bigint) returns void
language plpgsql security definer as $$
begin
  insert into reading_progress (user_id, novel_id, chapter_id, chapter_number)
  select p_user, p_novel, p_chapter, c.chapter_number from chapters c where c.id = p_chapter
  on conflict (user_id, novel_id) do update
    set chapter_id = excluded.chapter_id, chapter_number = excluded.chapter_number, updated_at = now();
end $$;

alter table novels enable row level security;
alter table chapters enable row level security;
alter table reading_progress enable row level security;
alter table bookshelf enable row level security;
alter table user_profiles enable row level security;
create policy "Anyone can view novels" on novels for select using (true);
create policy "Anyone can view chapters" on chapters for select using (true);
create policy "Admins insert novels" on novels for insert with check (
  exists (select 1 from user_profiles where id = auth.uid() and role = 'admin'));
create policy "Admins insert chapters" on chapters for insert with check (
  exists (select 1 from user_profiles where id = auth.uid() and role = 'admin'));
create policy "Admins update novels" on novels for update using (
  exists (select 1 from user_profiles where id = auth.uid() and role = 'admin'));
create policy "Admins update chapters" on chapters for update using (
  exists (select 1 from user_profiles where id = auth.uid() and role = 'admin'));
create policy "Admins delete chapters" on chapters for delete using (
  exists (select 1 from user_profiles where id = auth.uid() and role = 'admin'));
create policy "Own profile" on user_profiles for select using (id = auth.uid());
create policy "Own progress" on reading_progress for all using (user_id = auth.uid());
create policy "Own shelf" on bookshelf for all using (user_id = auth.uid());
grant all on all tables in schema public to anon, authenticated, service_role;
grant all on all sequences in schema public to anon, authenticated, service_role;
"""
)
"""The tables of the service that NovelSync replaces."""

STORIES: Final = """
create type story_status as enum ('writing', 'finished');
create table genres (id serial primary key, name text not null unique);
create table stories (
  id uuid primary key default gen_random_uuid(), name varchar(200) not null unique, slug varchar(200) unique,
  author_name text not null, summary text not null default '', cover text,
  status story_status not null default 'writing',
  chapters_count integer not null default 0, adult boolean not null, tags text[] not null, likes integer default 0,
  inserted_at timestamp not null default now(), updated_at timestamp not null default now());
create table story_chapters (
  id uuid primary key default gen_random_uuid(), story_id uuid not null references stories (id) on delete cascade,
  chapter_no integer not null default 0, name varchar(200) not null, body text not null,
  words integer not null default 0,
  source_url text, inserted_at timestamp not null default now(), unique (story_id, chapter_no));
create table bookmarks (
  reader text not null, chapter_id uuid not null references story_chapters (id) on delete cascade);
grant select on stories, story_chapters to anon;
grant select, insert, update, delete on stories, story_chapters to authenticated;
"""
"""Other names throughout, uuid ids, numbers that must not repeat, and columns that nobody fills."""

BOOKS: Final = """
create sequence numbers;
create table books (
  id integer primary key default nextval('numbers'), title text not null, author text, cover_image_url text not null,
  reviewed_by text not null default 'nobody');
create table book_chapters (
  id integer primary key default nextval('numbers'), book_id integer not null references books (id),
  sort_order integer not null, title text, content text, volume_name text, unique (book_id, sort_order));
create table log (what text);
create function note_book() returns trigger language plpgsql as
  $$ begin insert into log values (tg_op || ' ' || new.title); return null; end $$;
create trigger aa_noted after insert or update on book_chapters for each row execute function note_book();
create trigger ab_silent after insert or update on book_chapters for each row execute function note_book();
create trigger ac_always after update on books for each row execute function note_book();
alter table book_chapters disable trigger ab_silent;
alter table books enable always trigger ac_always;
"""
"""An order of its own that begins at 0, and triggers in every state."""

PRISMA: Final = """
create table "Novel" (
  id text primary key, name text not null, link text, thumbnail varchar(100), "createdAt" timestamp(3) not null,
  "updatedAt" timestamp(3) not null);
create table "Chapter" (
  id text primary key, "novelId" text not null, title text, "chapterNum" double precision, text text,
  "sourceUrl" text, "createdAt" timestamp(3) not null default current_timestamp);
create view latest as select id, name, thumbnail from "Novel";
"""
"""Made by a program: names in camel case, no foreign key, and what is a default elsewhere the program fills in."""
