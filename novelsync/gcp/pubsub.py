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
from novelsync.gcp.errors import AWAY, LOGIN_HINT, REFUSED_CREDENTIALS, credentials_needed
from novelsync.models.run import NovelMessage
from novelsync.text.formatting import one_line

_BATCHES: Final = BatchSettings(max_messages=1_000, max_bytes=5_000_000, max_latency=0.05)
"""What is sent in one request; Pub/Sub takes 1,000 messages and 10 MB (https://cloud.google.com/pubsub/quotas#resource_limits)."""

_TRANSIENT: Final = (
    api.ServiceUnavailable,
    api.InternalServerError,
    api.GatewayTimeout,
    api.TooManyRequests,
    api.Aborted,
)


def _make_client(patience: float) -> PublisherClient:
    options = PublisherOptions(
        retry=Retry(if_exception_type(*_TRANSIENT), initial=0.2, timeout=patience), timeout=patience
    )
    return PublisherClient(_BATCHES, options)


class PubSubPublisher:
    """A `novelsync.contracts.cloud.Publisher`."""

    def __init__(
        self, topic: str, make_client: Callable[[float], PublisherClient] = _make_client, patience: float = 60
    ) -> None:
        """
        ``topic``: ``projects/P/topics/T``. ``make_client`` is called with ``patience``, when the first message is sent.

        ``patience``: seconds for which a failed request is retried.
        """
        self.name = topic
        self._make_client = make_client
        self._patience = patience

    @cached_property
    def _client(self) -> PublisherClient:
        with credentials_needed(self.name):
            return self._make_client(self._patience)

    def publish(self, messages: Iterable[NovelMessage]) -> None:
        with self._translated_errors():
            futures = [self._client.publish(self.name, msgspec.json.encode(message)) for message in messages]
            for future in futures:
                future.result()  # without a timeout, because the client stops retrying after its own

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
                "nothing is lost: the next run syncs what was left",
            ) from error
