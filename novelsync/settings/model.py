"""Every setting, with its default and what it is for."""

import re
from base64 import b64decode
from typing import Final, Literal

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from novelsync.planning.guards.limits import Limits
from novelsync.settings.kinds import Duration, LogFormat, Patience, Place, Positive, Share, Size, by_commas, web_address

DEFAULT_STORAGE: Final = "storage/novels"
"""The only folder that is ever made where there is none: see `novelsync.wiring.opening.make_default_storage`."""

ENV_FILE: Final = ".env"


class FileSettings(BaseSettings):
    """The settings that are needed where only files are looked at. Read as `Settings` are."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
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
        return url and SecretStr(web_address(url.get_secret_value()))

    @field_validator("notify_secret")
    @classmethod
    def _check_notify_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        for each in by_commas(secret):
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
        return SecretStr(",".join(dict.fromkeys(web_address(each) for each in by_commas(url))))

    @property
    def notify_urls(self) -> list[str]:
        return by_commas(self.notify_url)

    @property
    def notify_secrets(self) -> list[str]:
        return by_commas(self.notify_secret)

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
