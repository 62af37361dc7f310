"""
The plain algorithm that NovelSync is compared with: look a row up by its title, then insert or update it.

It is written as people write it, and not made slow on purpose: one client on one keep-alive connection, supabase-py's
own defaults, no pauses, indexes on a novel's title and a chapter's novel. It costs two requests per chapter.
"""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from supabase import Client, ClientOptions, create_client

# For tables called novels and chapters, in a database of their own: TABLES.replace("plain_", "").
TABLES = """
create table if not exists public.plain_novels (
  id uuid primary key default gen_random_uuid(),
  title text not null,
  author text,
  description text,
  cover_url text,
  status text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index if not exists plain_novels_title on public.plain_novels (title);

create table if not exists public.plain_chapters (
  id uuid primary key default gen_random_uuid(),
  novel_id uuid not null references public.plain_novels (id) on delete cascade,
  title text not null,
  number numeric,
  content text not null,
  url text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index if not exists plain_chapters_novel_id on public.plain_chapters (novel_id);
grant select, insert, update, delete on public.plain_novels, public.plain_chapters to service_role;
"""


def connect(url: str, key: str) -> Client:
    # The one option that is not the default is HTTP/1.1: a connection over HTTP/2 breaks in a long run (supabase-py
    # issue 1064), and then there would be nothing to compare with. 120 s is supabase-py's own timeout.
    return create_client(url, key, ClientOptions(httpx_client=httpx.Client(http2=False, timeout=120)))


def timed(url: str, key: str, folder: Path, chapters: int) -> float:
    """Chapters per second over the first ``chapters`` of the folder."""
    plain = PlainSync(connect(url, key))
    start = time.perf_counter()
    return plain.sync(folder, chapters) / (time.perf_counter() - start)


class PlainSync:
    def __init__(self, client: Client, novels: str = "plain_novels", chapters: str = "plain_chapters") -> None:
        self.client = client
        self.novels = novels
        self.chapters = chapters

    def sync(self, folder: Path, limit_chapters: int | None = None) -> int:
        """Returns the number of chapters synced. Stops after ``limit_chapters`` of them, counted over all novels."""
        synced = 0
        for path in sorted(folder.glob("*/book_info.json")):
            with path.open(encoding="utf-8") as file:
                book = json.load(file)
            novel_id = self._sync_novel(book)
            for chapter in book["chapters"]:
                self._sync_chapter(novel_id, chapter)
                synced += 1
                if limit_chapters is not None and synced >= limit_chapters:
                    return synced
        return synced

    def _sync_novel(self, book: dict[str, Any]) -> str:
        row = {name: book.get(name) for name in ("title", "author", "description", "cover_url", "status")}
        found = self.client.table(self.novels).select("id").eq("title", row["title"]).execute()
        return self._write(self.novels, found.data, row)

    def _sync_chapter(self, novel_id: str, chapter: dict[str, Any]) -> None:
        row = {"novel_id": novel_id} | {name: chapter.get(name) for name in ("title", "number", "content", "url")}
        table = self.client.table(self.chapters)
        found = table.select("id").eq("novel_id", novel_id).eq("title", row["title"]).execute()
        self._write(self.chapters, found.data, row)

    def _write(self, table: str, found: Any, row: dict[str, Any]) -> str:
        if found:
            row["updated_at"] = datetime.now(UTC).isoformat()
            self.client.table(table).update(row).eq("id", found[0]["id"]).execute()
        else:
            found = self.client.table(table).insert(row).execute().data
        return str(found[0]["id"])
