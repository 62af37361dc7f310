"""Every setting, with its default and what it is for. No other file reads the environment."""

import os
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from dotenv.parser import Binding, parse_stream
from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from novelsync.errors import ConfigurationError
from novelsync.planning.guards import Limits
from novelsync.text.amounts import byte_count, seconds, share
from novelsync.text.spelling import SAME, meant


def _read_as(read: Callable[[str], object], words: str, least: float = 0) -> BeforeValidator:
    """``words``: what a value has to be, where ``read`` does not understand it or it is below ``least``."""

    def validate(written: object) -> object:
        try:
            value = read(str(written))
        except ValueError:
            value = None
        if value is None or (isinstance(value, (int, float)) and value < least):
            raise ValueError(f"it must be {words}")
        return value

    return BeforeValidator(validate)


_DURATION: Final = "seconds, or a time like 90s, 5m, 1h30m or 2d"

Positive = Annotated[int, _read_as(int, "a whole number above 0", 1)]
Duration = Annotated[int, _read_as(seconds, f"above 0: {_DURATION}", 1)]
Patience = Annotated[int, _read_as(seconds, _DURATION)]
Size = Annotated[int, _read_as(byte_count, "above 0: bytes, or a size like 256MB or 1.5GiB", 1)]
Share = Annotated[float, _read_as(share, "a share from 0 to 1, or from 0% to 100%")]
Place = Annotated[str, _read_as(lambda written: written.strip() or None, "the name of a place, and it is blank")]
LogFormat = Annotated[
    Literal["json", "text"],
    _read_as(lambda written: written if written in ("json", "text") else None, "json or text"),
]

DEFAULT_STORAGE: Final = "storage/novels"
"""The only folder that is ever made where there is none: see `novelsync.wiring.make_default_storage`."""

_ENV_FILE: Final = ".env"

_Settings = TypeVar("_Settings", bound=BaseSettings)


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a command line says in place of the environment; None: nothing."""

    storage: str | None = None
    database: str | None = None
    """A connection string or, if it is a web address, that of Supabase."""
    env_file: str | None = None
    """Read in place of ``.env``."""

    @property
    def values(self) -> dict[str, Any]:
        """By the names of the environment. One database given sets the other kind aside."""
        values: dict[str, Any] = {}
        if self.storage is not None:
            values["NOVELSYNC_STORAGE"] = self.storage
        if self.database is None:
            return values
        if self.database.startswith(("https://", "http://")):
            return values | {"SUPABASE_URL": self.database, "DATABASE_URL": None}
        neither = dict.fromkeys(("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"))
        return values | {"DATABASE_URL": self.database} | neither


_overrides = Overrides()


def override(overrides: Overrides) -> None:
    """From now on, settings that are loaded in this process, or in one that it forks, are overridden by these."""
    global _overrides  # noqa: PLW0603 — a process has one command line, as it has one environment
    _overrides = overrides


def _env_file() -> str:
    return _overrides.env_file or _ENV_FILE


class FileSettings(BaseSettings):
    """The settings that are needed where only files are looked at. Read as `Settings` are."""

    model_config = SettingsConfigDict(
        env_file=_ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    storage: Place = Field(
        DEFAULT_STORAGE,
        validation_alias="NOVELSYNC_STORAGE",
        description="Folder that holds `<slug>/book_info.json`, or a bucket: `gs://bucket/prefix`.",
    )
    max_file_bytes: Size = Field(
        268_435_456, validation_alias="NOVELSYNC_MAX_FILE_BYTES", description="A larger file is refused."
    )


class Settings(FileSettings):
    """Read from the environment, or from ``.env`` in the current folder. An empty value counts as not set."""

    cloud_service: str | None = Field(
        None, validation_alias="K_SERVICE", description="Set by Cloud Run itself, not by you."
    )
    cloud_project: str | None = Field(
        None,
        validation_alias="GOOGLE_CLOUD_PROJECT",
        description="The Google Cloud project; log lines are shown with their request if it is set.",
    )
    supabase_url: str | None = Field(
        None, validation_alias="SUPABASE_URL", description="The project's URL, `https://<ref>.supabase.co`."
    )
    supabase_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY"),
        description="The project's secret key (`sb_secret_…`); or the legacy service role key.",
    )
    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="Any Postgres, `postgresql://user:password@host:5432/database`.",
    )
    embedded_dir: Place = Field(
        ".novelsync/postgres",
        validation_alias="NOVELSYNC_EMBEDDED_DIR",
        description="Where the embedded Postgres keeps its data, if no other database is set.",
    )
    workers: Positive = Field(
        4, validation_alias="NOVELSYNC_WORKERS", description="Threads that read and write novels."
    )
    time_budget: Duration | None = Field(
        None,
        validation_alias="NOVELSYNC_TIME_BUDGET",
        description="Seconds after which a run starts no more novels; in Cloud Run 1500, elsewhere no limit.",
    )
    removal_limit: Share = Field(
        0.1,
        validation_alias="NOVELSYNC_REMOVAL_LIMIT",
        description="If more than this share of all novels is missing from storage, none is removed.",
    )
    chapter_removal_limit: Share = Field(
        0.3,
        validation_alias="NOVELSYNC_CHAPTER_REMOVAL_LIMIT",
        description="If more than this share of a novel's chapters is missing from its file, all of them stay.",
    )
    removal_grace: Patience = Field(
        5400,
        validation_alias="NOVELSYNC_REMOVAL_GRACE",
        description="Seconds that a novel has to be missing before it is removed.",
    )
    check_every: Patience = Field(
        604_800,
        validation_alias="NOVELSYNC_CHECK_EVERY",
        description="Seconds within which runs compare every novel with its file, a few at a time; `0`: never.",
    )
    stale_after: Duration = Field(
        7800,
        validation_alias="NOVELSYNC_STALE_AFTER",
        description="Seconds without a finished run after which the status says `stale`.",
    )
    scheduler_job: str | None = Field(
        None,
        validation_alias="NOVELSYNC_SCHEDULER_JOB",
        description="The Cloud Scheduler job, `projects/…/locations/…/jobs/…`; unset: `serve` runs hourly by itself.",
    )
    fanout_topic: str | None = Field(
        None,
        validation_alias="NOVELSYNC_FANOUT_TOPIC",
        description="The Pub/Sub topic, `projects/…/topics/…`, by which a run gives its novels to others; unset: none.",
    )
    database_limit: Size | None = Field(
        None,
        validation_alias="NOVELSYNC_DATABASE_LIMIT",
        description="Bytes; when the database has over 90 % of them, the status says `attention`. Unset: not checked.",
    )
    alert_url: SecretStr | None = Field(
        None,
        validation_alias="NOVELSYNC_ALERT_URL",
        description="A webhook, Slack's for instance, that is told of every change of the verdict. A secret.",
    )
    notify_secret: SecretStr | None = Field(
        None,
        validation_alias="NOVELSYNC_NOTIFY_SECRET",
        description="Signs what `NOVELSYNC_NOTIFY_URL` is sent: `whsec_…`; by commas, the new and the old one.",
    )
    notify_url: SecretStr | None = Field(
        None,
        validation_alias="NOVELSYNC_NOTIFY_URL",
        description="Addresses, by commas, that are sent every change readers see. Secrets, like those that sign.",
    )
    metrics: bool = Field(
        False, validation_alias="NOVELSYNC_METRICS", description="`1`: `GET /metrics` answers, for Prometheus."
    )
    log_format: LogFormat | None = Field(
        None,
        validation_alias="NOVELSYNC_LOG_FORMAT",
        description="`json` or `text`; by itself `json` in Cloud Run and `text` elsewhere.",
    )

    # Each validates one field, so that one error names all that is wrong, and sees only the fields above its own.

    @field_validator("supabase_url")
    @classmethod
    def _check_supabase_url(cls, url: str | None) -> str | None:
        # Checked this early, because a key that was put here by mistake must not get into a name or a message.
        if url is not None and not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[!-~]*)?", url):
            raise ValueError("it must be an address, https://<ref>.supabase.co")
        return url

    @field_validator("supabase_key")
    @classmethod
    def _check_supabase_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        plain = key.get_secret_value().strip()
        if not re.fullmatch("[!-~]+", plain):
            raise ValueError("it has characters that no key has")
        return SecretStr(plain)

    @field_validator("supabase_key")
    @classmethod
    def _check_key_and_url(cls, key: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        url = others.data.get("supabase_url")
        if url and not key:
            raise ValueError("SUPABASE_URL is set and no key is")
        if key and not url and "supabase_url" in others.data:
            raise ValueError("a key is set and SUPABASE_URL is not")
        return key

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, url: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if others.data.get("cloud_service") and not url and not others.data.get("supabase_url"):
            raise ValueError("not set, and neither is SUPABASE_URL; in Cloud Run the embedded database would vanish")
        return url

    @field_validator("scheduler_job")
    @classmethod
    def _check_scheduler_job(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(
            r"projects/[a-z0-9:.-]+/locations/[a-z0-9-]+/jobs/[\w-]{1,500}", name, re.A
        ):
            raise ValueError("it must be projects/<project>/locations/<region>/jobs/<job>")
        return name

    @field_validator("fanout_topic")
    @classmethod
    def _check_fanout_topic(cls, name: str | None) -> str | None:
        # https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names
        if name is not None and not re.fullmatch(
            r"projects/[a-z0-9:.-]+/topics/[a-zA-Z][a-zA-Z0-9._~+%-]{2,254}", name
        ):
            raise ValueError("it must be projects/<project>/topics/<topic>")
        return name

    @field_validator("alert_url")
    @classmethod
    def _check_alert_url(cls, url: SecretStr | None) -> SecretStr | None:
        return url and SecretStr(_web_address(url.get_secret_value()))

    @field_validator("notify_secret")
    @classmethod
    def _check_notify_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        for each in _by_commas(secret):
            try:
                key = b64decode(each.removeprefix("whsec_"), validate=True)
            except ValueError:
                key = b""
            if not each.startswith("whsec_") or not 24 <= len(key) <= 64:
                raise ValueError("it must be whsec_ and 24 to 64 bytes in base64, as of `openssl rand -base64 32`")
        return secret

    @field_validator("notify_url")
    @classmethod
    def _check_notify_url(cls, url: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if url is None:
            return None
        if others.data.get("notify_secret", "wrong") is None:
            raise ValueError("it is set and NOVELSYNC_NOTIFY_SECRET is not, which signs what is sent there")
        return SecretStr(",".join(dict.fromkeys(_web_address(each) for each in _by_commas(url))))

    @property
    def shown(self) -> list[tuple[str, str, bool]]:
        """Each setting that people may set: its name, its value in words without secrets, and whether it was set."""
        rows = []
        for field, info in type(self).model_fields.items():
            alias = info.validation_alias
            name = str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)
            value, given = getattr(self, field), field in self.model_fields_set
            if not (name.startswith("NOVELSYNC_") or name in _NEVER_SHOWN):
                continue
            words = "" if value is None else "set, and not shown" if name in _NEVER_SHOWN else str(value)
            rows.append((name, words, given))
        return rows

    @property
    def given(self) -> list[str]:
        """The names of the settings that were not left to their defaults."""
        aliases = {name: field.validation_alias for name, field in type(self).model_fields.items()}
        given = [aliases[n] for n in aliases if n in self.model_fields_set and getattr(self, n) is not None]
        return [str(alias.choices[0] if isinstance(alias, AliasChoices) else alias) for alias in given]

    @property
    def notify_urls(self) -> list[str]:
        return _by_commas(self.notify_url)

    @property
    def notify_secrets(self) -> list[str]:
        return _by_commas(self.notify_secret)

    @property
    def in_cloud(self) -> bool:
        return self.cloud_service is not None

    @property
    def limits(self) -> Limits:
        return Limits(self.removal_limit, self.chapter_removal_limit, self.removal_grace)

    @property
    def effective_time_budget(self) -> int | None:
        # Cloud Scheduler gives up on an answer after 1800 s.
        return self.time_budget or (1500 if self.in_cloud else None)

    @property
    def effective_log_format(self) -> Literal["json", "text"]:
        return self.log_format or ("json" if self.in_cloud else "text")


def _web_address(written: str) -> str:
    """The address of a webhook. Raises `ValueError`, which does not show it."""
    plain = written.strip()
    local = r"http://(localhost|127\.0\.0\.1|\[::1\])"
    if not re.fullmatch(rf"(https://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])|{local})(:\d{{1,5}})?([/?][!-~]*)?", plain):
        raise ValueError("it must be https://…, or http://localhost…")
    return plain


def _by_commas(secret: SecretStr | None) -> list[str]:
    return [each.strip() for each in secret.get_secret_value().split(",") if each.strip()] if secret else []


_NEVER_SHOWN = frozenset(
    {
        *("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL"),
        *("NOVELSYNC_ALERT_URL", "NOVELSYNC_NOTIFY_URL", "NOVELSYNC_NOTIFY_SECRET"),
    }
)
"""Settings whose values no message shows. A wrong SUPABASE_URL may turn out to be a key."""


def load_settings() -> Settings:
    """Raises a `ConfigurationError` that names every wrong setting and shows no secret."""
    return _load(Settings)


def load_file_settings() -> FileSettings:
    """Like `load_settings`, but it does not matter whether other settings are wrong."""
    return _load(FileSettings)


def _load(settings: type[_Settings]) -> _Settings:
    try:
        loaded, wrong = _read(settings)
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError as error:
        # The position, and not the error itself, which quotes the file.
        reason = f"byte {error.start} is not UTF-8"
    else:
        if loaded and not wrong:
            return loaded
        hint = f"fix it in the environment or in {_env_file()}; README.md lists the settings"
        raise ConfigurationError("; ".join(wrong), hint)
    raise ConfigurationError(f"{_env_file()} cannot be read: {reason}", "save it as UTF-8, readable for you")


def _read(settings: type[_Settings]) -> tuple[_Settings | None, list[str]]:
    """The settings, and all that is wrong with them. Raises `OSError`, `UnicodeDecodeError`."""
    wrong = [*_wrong_names(settings, _bindings())]
    try:
        # Filled from the environment, but for what is given here.
        return settings(_env_file=_env_file(), **_overrides.values), wrong
    except ValidationError as error:
        return None, [*wrong, *(_message(details) for details in error.errors(include_url=False))]


def _bindings() -> list[Binding]:
    """What ``.env`` says, line by line. Raises `OSError`, `UnicodeDecodeError`."""
    if not Path(_env_file()).is_file():
        return []
    with Path(_env_file()).open(encoding="utf-8") as file:
        return list(parse_stream(file))


def _names(settings: type[BaseSettings]) -> list[tuple[str, ...]]:
    """The variables of the environment, those of one setting together."""
    aliases = (field.validation_alias for field in settings.model_fields.values())
    return [tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),) for alias in aliases]


def _wrong_names(settings: type[BaseSettings], bindings: list[Binding]) -> Iterator[str]:
    """
    Lines of ``.env`` that set nothing, and names that no setting has, but that look as if they should be one's.

    Whoever needs only some settings is told of what may have been meant for one of those.
    """
    for line in bindings:
        if line.error or (line.key and line.value is None):
            # Not quoted: it may be a key.
            yield f"line {line.original.line} of {_env_file()} has no =, and so sets nothing"
    values = {**os.environ, **{line.key: line.value for line in bindings if line.key}}
    given = {name.upper() for name, value in values.items() if value}
    known = {name: names for names in _names(Settings) for name in names}
    mine = {name for names in _names(settings) for name in names}
    for name in sorted(given - known.keys()):
        ours = name.startswith("NOVELSYNC_")
        near = meant(name, known) if ours else _misspelled(name, known.keys())
        wrong = ours or (near and given.isdisjoint(known[near]))
        if wrong and (settings is Settings or near in mine):
            yield f"{name} is no setting" + (f", did you mean {near}?" if near else "")


def _misspelled(name: str, known: Iterable[str]) -> str:
    """What a name of any program is a misspelling of. A longer name that ends or begins like ours is not."""
    near = meant(name, set(known) - {"K_SERVICE"}, SAME)
    return "" if name.startswith(f"{near}_") or name.endswith(f"_{near}") else near


def _message(details: ErrorDetails) -> str:
    name = str(details["loc"][0])
    # Where a setting is missing, pydantic names the field and not the variable of the environment.
    name = {"supabase_key": "SUPABASE_SECRET_KEY", "database_url": "DATABASE_URL"}.get(name, name)
    message = details["msg"].removeprefix("Value error, ")
    return f"{name}: {message}" if name in _NEVER_SHOWN else f"{name} is {details['input']!r}: {message}"
