"""What settings are called, and what may be shown of them."""

from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from novelsync.settings.model import Settings

NEVER_SHOWN = frozenset(
    {
        *("SUPABASE_URL", "SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL"),
        *("NOVELSYNC_ALERT_URL", "NOVELSYNC_NOTIFY_URL", "NOVELSYNC_NOTIFY_SECRET"),
    }
)
"""Settings whose values no message shows. A wrong SUPABASE_URL may turn out to be a key."""


def names_of(setting: FieldInfo) -> tuple[str, ...]:
    """The variables of the environment that set it, the usual one first."""
    alias = setting.validation_alias
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (str(alias),)


def shown_settings(settings: Settings) -> list[tuple[str, str, bool]]:
    """Each setting that people may set: its name, its value in words without secrets, and whether it was set."""
    rows = []
    for field, info in Settings.model_fields.items():
        name, *_ = names_of(info)
        if not (name.startswith("NOVELSYNC_") or name in NEVER_SHOWN):
            continue
        value = getattr(settings, field)
        words = "" if value is None else "set, and not shown" if name in NEVER_SHOWN else str(value)
        rows.append((name, words, field in settings.model_fields_set))
    return rows


def given_settings(settings: Settings) -> list[str]:
    """The names of the settings that were not left to their defaults."""
    return [
        names_of(info)[0]
        for field, info in Settings.model_fields.items()
        if field in settings.model_fields_set and getattr(settings, field) is not None
    ]
