"""The messages by which a run hands novels out: each is answered once."""

from novelsync.database.client import SqlClient
from novelsync.models.results import NovelResult, NovelStatus
from novelsync.models.run import MessageState
from tests.database.contract.conftest import begin


def test_the_first_answer_to_a_message_counts(database: SqlClient) -> None:
    run = begin(database)
    assert database.messages.hand_out(run, ["emma", "persuasion"]) == 2
    assert database.messages.state(run, "emma") is MessageState.OPEN
    for status in (NovelStatus.CREATED, NovelStatus.IN_FLIGHT):
        database.messages.answer(run, NovelResult("emma", status))
        assert database.messages.state(run, "emma") is MessageState.ANSWERED
    assert [(each.slug, each.status) for each in database.messages.answers(run)] == [("emma", NovelStatus.CREATED)]
    assert database.messages.hand_out(run, [], close=True) == 0
    database.messages.answer(run, NovelResult("persuasion", NovelStatus.CREATED))
    assert database.messages.state(run, "persuasion") is MessageState.OVER
    assert len([*database.messages.answers(run)]) == 1
