"""A database with tables of a site's own."""

from collections.abc import Iterator

import pytest

from tests.conftest import Tables
from tests.support.library import Library


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, library: Library, empty_database_url: str) -> Iterator[Tables]:
    """A database with tables of the site's own, and a library, that the commands find by their settings."""
    monkeypatch.setenv("NOVELSYNC_STORAGE", str(library.folder))
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    tables = Tables(empty_database_url)
    tables.connection.execute(
        "do $$ begin if not exists (select from pg_roles where rolname = 'service_role') then"
        " create role service_role nologin; create role anon nologin; create role authenticated nologin; end if; end $$"
    )
    yield tables
    tables.connection.close()
