"""Work that is handed to other processes, and what calls the sync every hour."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from novelsync.models.desk.schedule import Schedule
from novelsync.models.results import NovelResult
from novelsync.models.run import MessageState, NovelMessage


class Messages(Protocol):
    """The messages by which a run gives novels to other processes, as the database remembers them."""

    def hand_out(self, run_id: str, slugs: Sequence[str], *, formers: Sequence[str] = (), close: bool = False) -> int:
        """
        Remembers a message for each of these novels; returns how many messages of the run have no answer yet.

        ``formers``: slugs that novels of this run had before; see `RunContext.by_message`.
        ``close``: withdraws those without an answer, so that nothing more is written for them.
        """

    def state(self, run_id: str, slug: str) -> MessageState:
        """What has become of one message."""

    def answer(self, run_id: str, result: NovelResult) -> None:
        """Answers a message, if it is open. A `NovelWrite` with a ``result`` does so in its own transaction."""

    def answers(self, run_id: str) -> Iterator[NovelResult]:
        """All answers to the run's messages."""


class Publisher(Protocol):
    """What delivers messages to the processes that sync novels: each at least once, in any order."""

    @property
    def name(self) -> str:
        """Which topic this is, to be shown to people."""

    def publish(self, messages: Iterable[NovelMessage]) -> None:
        """
        Returns once all messages are accepted for delivery.

        Raises `PublisherUnavailable`, and `ConfigurationError` if the topic does not exist or refuses our credentials.
        Some messages may be delivered all the same.
        """


class Scheduler(Protocol):
    """
    What starts a run every hour.

    Every method raises `SchedulerUnavailable` if the scheduler cannot be asked, and `ConfigurationError` if it does not
    exist or refuses our credentials.
    """

    def start(self) -> None:
        """Starts a run every hour from now on. Does nothing if it is running already."""

    def stop(self) -> None:
        """Starts no more runs; one in progress goes on. Does nothing if it is stopped already."""

    def state(self) -> Schedule:
        """Whether the scheduler is running, and when the next run is due."""

    def run_now(self) -> None:
        """
        Starts an extra run, and returns without waiting for its end.

        Raises `SchedulerStopped` if this scheduler has to be started first, and `RunInProgress` or
        `DatabaseUnavailable` if it can tell that the run did not start because of it.
        """
