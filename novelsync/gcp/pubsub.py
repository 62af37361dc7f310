"""A topic of Google Pub/Sub, whose subscription pushes each message to the function ``novel_changed``."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Final

import msgspec
from google.api_core import exceptions as api
from google.api_core.retry import Retry, if_exception_type
from google.cloud.pubsub_v1 import PublisherClient
from google.cloud.pubsub_v1.types import BatchSettings, PublisherOptions

from novelsync.errors import ConfigurationError, PublisherUnavailable
from novelsync.gcp.errors import AWAY, LOGIN_HINT, NO_CREDENTIALS, REFUSED_CREDENTIALS
from novelsync.models.run import NovelMessage
from novelsync.text.formatting import one_line

_TOGETHER: Final = BatchSettings(max_messages=1_000, max_bytes=5_000_000, max_latency=0.05)
"""Of one request; Pub/Sub takes 1,000 messages and 10 MB (https://cloud.google.com/pubsub/quotas#resource_limits)."""

_TRANSIENT: Final = (
    api.ServiceUnavailable,
    api.InternalServerError,
    api.GatewayTimeout,
    api.TooManyRequests,
    api.Aborted,
)


def _client(patience: float) -> PublisherClient:
    options = PublisherOptions(
        retry=Retry(if_exception_type(*_TRANSIENT), initial=0.2, timeout=patience), timeout=patience
    )
    return PublisherClient(_TOGETHER, options)


class PubSubPublisher:
    """A `novelsync.contracts.Publisher`."""

    def __init__(
        self, topic: str, make_client: Callable[[float], PublisherClient] = _client, patience: float = 60
    ) -> None:
        """
        ``topic``: ``projects/P/topics/T``. ``make_client`` is called, with ``patience``, once it is needed.

        ``patience``: seconds for which a request that fails is tried again.
        """
        self.name = topic
        self._make_client = make_client
        self._patience = patience

    @cached_property
    def _publisher(self) -> PublisherClient:
        try:
            return self._make_client(self._patience)
        except NO_CREDENTIALS as error:
            raise ConfigurationError(
                f"there are no credentials for {self.name}: {one_line(error)}", LOGIN_HINT
            ) from error

    def publish(self, messages: Iterable[NovelMessage]) -> None:
        with self._translated_errors():
            under_way = [self._publisher.publish(self.name, msgspec.json.encode(message)) for message in messages]
            for future in under_way:
                future.result()  # ends by itself: its retries do

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        """Lets no exception of Google's libraries out."""
        try:
            yield
        except api.NotFound as error:
            raise ConfigurationError(
                f"there is no Pub/Sub topic {self.name}",
                "set NOVELSYNC_FANOUT_TOPIC to projects/<project>/topics/<topic>",
            ) from error
        except api.Forbidden as error:
            raise ConfigurationError(
                f"{self.name}: permission denied: {one_line(error)}",
                "give the service account roles/pubsub.publisher on the topic",
            ) from error
        except REFUSED_CREDENTIALS as error:
            raise ConfigurationError(
                f"{self.name}: the credentials are refused: {one_line(error)}", LOGIN_HINT
            ) from error
        except AWAY as error:
            raise PublisherUnavailable(
                f"{self.name}: messages could not be handed over: {one_line(error)}",
                "nothing is lost: the next run takes what was not carried over",
            ) from error
