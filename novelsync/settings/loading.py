"""Loads the settings from the environment, from ``.env`` and from what a command line says."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dotenv.parser import Binding, parse_stream
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings

from novelsync.errors import ConfigurationError
from novelsync.settings.model import ENV_FILE, FileSettings, Settings
from novelsync.settings.shown import NEVER_SHOWN, names_of
from novelsync.text.spelling import SAME, meant

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
    return _overrides.env_file or ENV_FILE


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
    return [names_of(field) for field in settings.model_fields.values()]


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
    return f"{name}: {message}" if name in NEVER_SHOWN else f"{name} is {details['input']!r}: {message}"
