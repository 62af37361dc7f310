"""What writes every row of a site's tables, and the rules that hold only afterwards. Pure: SQL text."""

from collections.abc import Iterator, Mapping

from novelsync.adoption.site.columns import COLUMNS
from novelsync.adoption.site.fitting import order, quoted_name
from novelsync.adoption.site.tables import Existing, Table


def fill(existing: Existing) -> Iterator[str]:
    chapters, novels = existing.chapters, existing.novels
    sets = _filled("chapters", chapters) | {
        "position": "r.place",
        "content_hash": f"sha256(convert_to({_filled('chapters', chapters).get('content', 'c.content')}, 'UTF8'))",
    }
    if "content_updated_at" not in chapters.columns and (changed := chapters.source("updated_at")):
        sets["content_updated_at"] = f"coalesce(c.{quoted_name(changed)}, now())"
    if place := chapters.twins.get("position"):
        sets[quoted_name(place)] = "r.place"
    novel_id = quoted_name(chapters.source("novel_id") or "")
    yield (
        f"update public.chapters c set {_list(sets)} from (select t.id, row_number() over (partition by t.{novel_id}"
        f" order by {order(chapters)}t.id) as place from public.chapters t) r where r.id = c.id"
    )
    sets = _filled("novels", novels) | {"chapter_count": "coalesce(n.total, 0)", "last_chapter_at": "n.latest"}
    if count := novels.twins.get("chapter_count"):
        sets[quoted_name(count)] = "coalesce(n.total, 0)"
    if "slug" in novels.columns:
        sets["slug"] = "nullif(c.slug, '')"
    yield (
        f"update public.novels c set {_list(sets)} from (select o.id, t.total, t.latest from public.novels o left join"
        " (select novel_id, count(*) as total, max(created_at) as latest from public.chapters group by 1) t"
        " on t.novel_id = o.id) n where n.id = c.id"
    )


def _filled(ours: str, table: Table) -> dict[str, str]:
    """What each column of ours is to be set to, where it is not what it should be; the row is called ``c``."""
    sets: dict[str, str] = {}
    for name, wanted in COLUMNS[ours].items():
        source = table.source(name)
        fallback = (wanted.default or ("''" if wanted.type == "text" else "")) if wanted.not_null else ""
        if source is None or (source == name and (table.columns[name].not_null or not fallback)):
            continue
        value = f"c.{quoted_name(source)}"
        sets[name] = f"coalesce({value}, {fallback})" if fallback else value
    return sets


def _list(sets: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in sets.items())


def not_null(existing: Existing) -> Iterator[str]:
    yield "alter table public.chapters alter column position drop default"
    for ours, table in existing.tables.items():
        for name, wanted in COLUMNS[ours].items():
            column = table.columns.get(name)
            missing = column is None and not wanted.default
            if wanted.not_null and (missing or (column and not column.not_null)):
                yield f"alter table public.{ours} alter column {name} set not null"


def constraints(existing: Existing) -> Iterator[str]:
    yield "create unique index on public.novels (slug) where removed_at is null"
    yield "create index if not exists novels_updated_at on public.novels (updated_at desc) where removed_at is null"
    yield (
        "create index if not exists novels_last_chapter_at on public.novels (last_chapter_at desc nulls last)"
        " where removed_at is null"
    )
    yield "alter table public.chapters add check (position > 0)"
    yield (
        "alter table public.chapters add constraint chapters_position"
        " exclude using btree (novel_id with =, position with =) where (removed_at is null)"
        " deferrable initially deferred"
    )
    if not any(index.columns[:1] == ["novel_id"] for index in existing.chapters.indexes):
        yield "create index on public.chapters (novel_id)"
    yield "create index on public.chapters (content_hash) where removed_at is null"
    if not existing.referencing or "novel_id" in existing.chapters.twins:
        yield "alter table public.chapters add foreign key (novel_id) references public.novels (id)"
