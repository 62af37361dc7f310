"""What is in the way of taking over is told before anything is changed: by the dry run, and by `doctor`."""

import re
from pathlib import Path

import pytest

from novelsync.adoption.site.columns import COLUMNS, DERIVED, TABLES
from tests.adoption.sites import BOOKS, REPLACED, STORIES
from tests.conftest import Run, Tables
from tests.support.library import Library, chapter, chapters

DYNAMIC = """
create function recount() returns trigger language plpgsql as $$
begin
  execute 'update ' || tg_argv[0] || ' set views = views + 1 where id = ' || new.novel_id;
  return new;
end $$;
create trigger recount after insert on chapters for each row execute function recount('novels');
"""
"""Its text does not say that it names a table without a schema."""


@pytest.fixture
def replaced(site: Tables, library: Library) -> Tables:
    site.connection.execute(REPLACED)
    site.connection.execute("insert into novels (title) values ('Emma')")
    site.connection.execute(
        "insert into chapters (novel_id, chapter_number, title, content_file) values (1, 1, 'Chapter 1', '1.html')"
    )
    library.write("emma", chapters(2), title="Emma")
    return site


def test_a_trigger_that_would_fail_is_found_by_firing_it(run: Run, replaced: Tables) -> None:
    replaced.connection.execute(DYNAMIC)
    for arguments in (("--dry-run",), ()):
        refused = run("migrate", "--adopt", *arguments)
        assert refused.code == 2
        assert 'a new chapter would be refused: relation "novels" does not exist' in refused.err
        assert "PL/pgSQL function public.recount()" in refused.err
        assert replaced.rows("select to_regnamespace('novelsync'), count(*) from novels") == [(None, 1)]
    replaced.connection.execute("alter function recount() set search_path = public")
    assert run("migrate", "--adopt").code == 0
    assert run("sync").code == 0


def test_a_default_that_a_rule_of_the_site_forbids_is_found_by_the_dry_run(run: Run, replaced: Tables) -> None:
    replaced.connection.execute("alter table novels add kind text not null default 'a' check (kind in ('a', 'b'))")
    replaced.connection.execute("alter table novels alter kind drop default")
    refused = run("migrate", "--adopt", "--dry-run")
    assert (refused.code, "novels_kind_check" in refused.err) == (2, True)
    replaced.connection.execute("alter table novels alter kind set default 'a'")
    assert run("migrate", "--adopt", "--dry-run").code == 0


def test_a_required_reference_is_named_with_the_statement_that_helps(run: Run, replaced: Tables) -> None:
    replaced.connection.execute(
        "alter table novels add owner uuid references auth.users (id); insert into auth.users (email) values ('a');"
        "update novels set owner = (select id from auth.users); alter table novels alter owner set not null"
    )
    refused = run("migrate", "--adopt", "--dry-run")
    assert "alter table public.novels alter column owner drop not null, or set default" in refused.err


def test_readers_who_would_lose_sight_of_chapters_are_named(run: Run, replaced: Tables) -> None:
    replaced.connection.execute('drop policy "Anyone can view novels" on novels')
    for arguments in (("--dry-run",), ()):
        refused = run("migrate", "--adopt", *arguments)
        assert refused.code == 2
        assert "anon sees chapters, and would see none: a policy has to show it their novels" in refused.err


def test_everybody_may_go_on_reading_what_is_granted_to_everybody(run: Run, replaced: Tables) -> None:
    replaced.connection.execute(
        "revoke all on novels, chapters from anon, authenticated; grant select on novels, chapters to public"
    )
    assert run("migrate", "--adopt").code == 0
    with replaced.connection.transaction():
        replaced.connection.execute("set local role anon")
        assert replaced.rows("select title from chapters") == [("Chapter 1",)]


def test_what_service_role_may_not_do_is_told_because_the_api_writes_as_it(run: Run, replaced: Tables) -> None:
    replaced.connection.execute(
        "create table log (what text); create function note() returns trigger language plpgsql as"
        " $$ begin insert into log values ('x'); return null; end $$;"
        "create trigger note after insert on novels for each row execute function note()"
    )
    told = run("migrate", "--adopt", "--dry-run")
    assert (told.code, told.err.count("error")) == (0, 0)
    said = "over Supabase's API, as service_role, a new novel would be refused: permission denied for table log"
    assert said in told.out


def test_rules_that_a_file_may_break_are_named_and_a_trigger_that_counts(run: Run, replaced: Tables) -> None:
    replaced.connection.execute("alter table novels add constraint states check (status in ('ongoing', 'done'))")
    replaced.connection.execute("create unique index once on novels (lower(title))")
    told = run("migrate", "--adopt", "--dry-run").out
    assert "states of novels is CHECK" in told
    assert 'alter table public.novels drop constraint "states"' in told
    assert "once keeps title of novels unique" in told
    assert "create index once ON public.novels USING btree (lower((title)::text));" in told
    assert "trigger update_chapter_count of chapters counts rows for each row" in told


def test_views_keep_a_limit_and_that_is_told(run: Run, replaced: Tables, library: Library) -> None:
    replaced.connection.execute("create view latest as select title from novels")
    assert "novels.title keeps its limit, because of rule _RETURN on view latest" in run("migrate", "--adopt").out
    library.write("emma", chapters(2), title="Emma " * 100)
    assert run("sync").code == 1
    assert replaced.rows("select title from latest") == [("Emma",)]


def test_two_tables_that_could_be_ours_are_not_guessed_at(run: Run, site: Tables, library: Library) -> None:
    site.connection.execute(STORIES)
    site.connection.execute(BOOKS)
    library.write("emma", [chapter(1)], title="Emma")
    refused = run("migrate", "--adopt")
    assert (refused.code, "stories, books could all be novels" in refused.err) == (2, True)
    named = run("migrate", "--adopt", "--adopt-columns", "novels=books")
    assert "story_chapters, book_chapters could all be chapters" in named.err


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("novel=stories", "'novel=stories', which names no table or column of NovelSync"),
        ("chapters.size=bytes", "'chapters.size=bytes', which names no table or column of NovelSync"),
        ("novels=nothing", "there is no table public.nothing"),
        ("chapters.number=no", "public.chapters has no column no, which was named for number"),
        ("chapters.content=views", "chapters.views is integer, and must be text"),
    ],
)
def test_names_that_lead_nowhere_are_named(run: Run, replaced: Tables, names: str, said: str) -> None:
    refused = run("migrate", "--adopt", "--adopt-columns", names)
    assert (refused.code, said in refused.err) == (2, True), refused.err
    assert replaced.rows("select to_regnamespace('novelsync')") == [(None,)]


def test_doctor_says_whether_tables_can_be_taken_over(run: Run, replaced: Tables) -> None:
    told = run("doctor")
    assert "another sync filled them, and they can be taken over" in told.out
    assert "update_novel_chapter_count() names chapters, novels without a schema" in told.out
    replaced.connection.execute("alter table chapters force row level security")
    assert "alter table public.chapters no force row level security" in run("doctor").out


def test_doctor_names_a_trigger_that_came_later_and_would_fail(run: Run, replaced: Tables) -> None:
    assert run("migrate", "--adopt").code == 0
    assert "without a schema" not in run("doctor").out
    replaced.connection.execute("alter function update_novel_chapter_count() reset search_path")
    told = run("doctor")
    assert told.code == 1
    assert "alter function update_novel_chapter_count() set search_path = public" in told.out


def test_the_docs_have_the_names_that_are_found() -> None:
    text = (Path(__file__).parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
    documented = {
        option.split("=")[0]: tuple(re.findall(r"`(\w+)`", found))
        for found, option in re.findall(r"^\| .+? \| (`.+`) \| `(\S+=\S+)` \|$", text, re.MULTILINE)
    }
    assert len(documented) == 8
    for ours, found in documented.items():
        table, _, column = ours.partition(".")
        known = {**COLUMNS[table], **DERIVED[table]}
        names = known[column].synonyms if column else tuple(name for name in TABLES[table] if name != table)
        assert set(found) <= set(names), ours
