"""The triggers that docs/tables.md recommends to a site."""

import re

import pytest

from novelsync.database import client
from novelsync.sync_service import SyncService
from tests.conftest import Tables
from tests.support.library import Library, chapter, chapters, text_of
from tests.support.serving import ROOT

DOCS = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
TRIGGERS = re.findall(r"create trigger told.*?;", DOCS, re.DOTALL)

SUBSCRIBERS = """
create table public.told (id bigint, seen boolean);
create function public.tell_subscribers() returns trigger language plpgsql as $$ begin
  insert into public.told select new.id, new.removed_at is null;
  return new;
end $$;
"""


@pytest.mark.parametrize("large", [False, True], ids=["at once", "in parts"])
def test_each_chapter_is_told_once_when_readers_see_it_first(
    library: Library, service: SyncService, tables: Tables, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(TRIGGERS) == 2
    tables.connection.execute(SUBSCRIBERS + "".join(TRIGGERS))
    if large:
        monkeypatch.setattr(client, "CALL_BYTES", 500)
    library.write("emma", chapters(3))
    service.sync_all_novels()
    library.write("emma", [*chapters(3), chapter(4, content=text_of("four")), chapter(5, content=text_of("five"))])
    service.sync_all_novels()
    library.write("emma", [chapter(1, title="Other"), *chapters(3)[1:]])
    service.sync_all_novels()
    ids = tables.rows("select id from chapters order by id")
    assert tables.rows("select id from told where seen order by id") == ids
    assert tables.rows("select count(*) from told where not seen") == [(0,)]
