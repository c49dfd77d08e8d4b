"""Every setting of the worker: an environment variable, typed, with its unit and default.

Settings are read once, at the top (runtime, app, cli, api); everything below receives values or small frozen policies.
What nobody tunes is a default of such a policy. The table in the README is made from these classes and tested against
them.

Four are read before the settings or apart from them: FINMIND_HEALTH_DIR by `worker.process.heartbeat_files`, because a
probe must be cheap; FINMIND_STATE_DIR by `worker.process.state_directory`; OTEL_* by OpenTelemetry's SDK; and
FAULT_DIRECTORY by `worker.process.fault_injection`, for tests only.
"""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import psycopg2
from psycopg2.extensions import make_dsn
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import make_url

from worker.errors import ConfigurationError
from worker.net.redis_address import check_options, names_sentinels, parse_sentinels

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Count = Annotated[int, Field(gt=0, le=1_000_000)]
Days = Annotated[int, Field(gt=0, le=36_525)]
Port = Annotated[int, Field(gt=0, le=65_535)]


class BrokerSettings(BaseSettings):
    """The broker."""

    redis_url: SecretStr = Field(
        description="Redis 6.2 or newer for the broker, not FinMind's cache: `redis(s)://`, or"
        " `sentinel(s)://:password@host,host/0?master=name`."
    )
    broker_url: SecretStr | None = Field(
        default=None,
        description="`amqp://user:password@host/` of a RabbitMQ that carries the messages instead of Redis, in quorum"
        " queues.",
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty_secrets(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Treat a secret that is mounted or set but empty as one that is not set."""
        optional = {name for name, field in cls.model_fields.items() if field.annotation == SecretStr | None}
        return {name: value for name, value in given.items() if name not in optional or str(value).strip()}

    @property
    def messages_url(self) -> str:
        """The address of the broker of messages."""
        return (self.broker_url or self.redis_url).get_secret_value()


class RequiredSettings(BrokerSettings):
    """Must be set: the two servers, and at least one source of keys."""

    database_url: SecretStr = Field(description="Postgres 16 or newer, the database FinMind uses.")
    credential_keys: SecretStr | None = Field(
        default=None, description="`id:base64` pairs separated by commas, 32 bytes each; the first one seals."
    )
    credential_keys_file: Path | None = Field(
        default=None, description="File with the same content as CREDENTIAL_KEYS; running processes follow it."
    )
    credential_kms_keys: str | None = Field(
        default=None, description="`id=ARN` pairs of AWS KMS keys, separated by commas; needs the extra `aws`."
    )
    credential_transit_keys: str | None = Field(
        default=None, description="`id=mount/name` pairs of Vault or OpenBao transit keys; needs the extra `vault`."
    )


class LogSettings(BaseSettings):
    """How log lines are written."""

    log_level: str = Field(
        default="INFO", pattern="^(?i:debug|info|warning|error)$", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: str = Field(default="auto", description="`json`, `console`, or `auto`: console on a terminal.")

    @cached_property
    def log_json(self) -> bool | None:
        """True for JSON lines, False for the console, None to decide by the terminal."""
        return {"json": True, "console": False}.get(self.log_format)


class OptionalSettings(LogSettings):
    """May be set: what the worker is connected to, and what it offers."""

    finmind_cache_url: SecretStr | None = Field(
        default=None, description="FinMind's own Redis; its cached summaries of touched months are cleared."
    )
    credential_primary_key: str | None = Field(
        default=None, description="Id of the key that seals; by default the first local one, else KMS, else transit."
    )
    vault_addr: str | None = Field(default=None, description="Address of Vault or OpenBao.")
    vault_token: SecretStr | None = Field(default=None, description="Token for Vault; prefer VAULT_TOKEN_FILE.")
    vault_token_file: Path | None = Field(
        default=None, description="File in which an agent keeps the token for Vault fresh."
    )
    vault_namespace: str | None = Field(default=None, description="Namespace in Vault Enterprise or OpenBao.")
    statement_folder: Path | None = Field(
        default=None, description="Where `files import` keeps statement files; workers must see it at the same path."
    )
    connectors_enabled: str = Field(
        default="",
        description="Connectors that users may link through the API, by commas, or `all`; by default all but `mock`.",
    )
    connector_manifests: Path | None = Field(
        default=None, description="Directory with connectors of your own, a TOML file each: docs/manifest.md."
    )
    provider_private_hosts: str = Field(
        default="",
        description="`host:port` of providers that may be private, by commas; a host alone: 80, 443; `host:*`: all.",
    )
    webhook_ports: str = Field(default="443,8443", description="Ports of receivers.")
    webhook_denied_networks: str = Field(
        default="", description="Your own CIDR ranges that webhooks must not reach, beside all that are not public."
    )
    webhook_proxy_url: SecretStr | None = Field(
        default=None, description="Egress proxy for webhooks, such as smokescreen; it then decides what is reachable."
    )
    webhook_allow_loopback: bool = Field(
        default=False, description="Development only: plain HTTP to any port of this machine."
    )
    event_signing_key: SecretStr | None = Field(
        default=None,
        description="Lets programs send `publish_event` with content, signed with this key; off without it.",
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="`smtp+ssl://user:password@host:465` or `smtp+starttls://…:587`; without it no reminder is sent.",
    )
    email_from: str | None = Field(default=None, description="The sender of reminders, as FinMind has it.")
    link_apps: SecretStr | None = Field(
        default=None,
        description="JSON with your applications at `plaid`, `enablebanking`, `gocardless`, keys for manifests,"
        " `public_url`, `renew_url`: docs/web-app.md.",
    )
    api_port: Port = Field(default=8400, description="Port of the HTTP API.")
    ops_basic_auth: SecretStr | None = Field(
        default=None,
        description="Log-ins for the operator's page /ops: `user:password`, or lines of `finmind-worker operator NAME`;"
        " off without it.",
    )
    metrics_listen: str | None = Field(
        default=None, description="`host:port` where each worker serves its latencies to Prometheus; off without it."
    )
    metrics_dir: Path | None = Field(
        default=None,
        description="Folder in which the workers of one machine share their latencies; its API then serves them.",
    )
    jwt_secret: SecretStr | None = Field(
        default=None, description="FinMind's JWT_SECRET: its HS256 access tokens are accepted."
    )
    jwt_jwks_url: str | None = Field(default=None, description="Where FinMind publishes its EdDSA keys (JWKS).")
    jwt_jwks_file: Path | None = Field(default=None, description="File with the EdDSA keys (JWKS), instead of a URL.")
    jwt_audience: str | None = Field(default=None, description="Required `aud` of EdDSA tokens.")
    jwt_issuer: str | None = Field(default=None, description="Required `iss` of EdDSA tokens.")
    flower_port: Port = Field(default=5555, description="Flower's port on loopback under `up`.")
    flower_basic_auth: SecretStr | None = Field(default=None, description="`user:password` for Flower beyond loopback.")
    finmind_health_dir: Path | None = Field(
        default=None,
        description="Folder of the heartbeat files of probes; not read from `.env`. By default"
        " `finmind-worker-UID` in the temporary directory.",
    )
    finmind_state_dir: Path | None = Field(
        default=None, description="Folder in which `up` keeps its data; not read from `.env`. By default `.finmind`."
    )


class TuningSettings(BaseSettings):
    """For tuning: the defaults suit most installations."""

    lease_s: Seconds = Field(default=60, description="A run whose worker is silent this long is taken over (s).")
    max_attempts: Count = Field(default=5, description="A run that lost its worker this often fails as poison.")
    tick_s: Seconds = Field(default=5, description="How often beat looks for due work (s).")
    runs_per_user: Count = Field(
        default=4, description="Runs under way at once for one user; by default also a quarter of a worker's places."
    )
    runs_per_connector: Count = Field(default=160, description="Runs under way at once through one connector.")
    webhook_retry_delays_s: str | None = Field(
        default=None,
        description="Waits between the attempts of a delivery (s), by commas; `extended`: for up to 24 hours."
        " By default after 1, 5 and 15 minutes.",
    )
    webhook_retention_days: Days = Field(
        default=30, description="Events, deliveries and attempts are kept this long (days)."
    )
    run_retention_days: Days = Field(
        default=90,
        description="Runs that changed nothing, what others asked the bank, resolved rejections and failed links are"
        " kept this long (days).",
    )
    audit_retention_days: Days = Field(
        default=180, ge=90, description="Openings of credentials stay on record this long, 90 at least (days)."
    )
    api_requests_per_minute: Count = Field(default=300, description="Requests of one user per minute.")


_SOURCES = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True)


class MessagingSettings(TuningSettings, LogSettings, BrokerSettings):
    """The configuration of processes that only talk to the broker: beat and Flower."""

    model_config = _SOURCES


class Settings(TuningSettings, OptionalSettings, RequiredSettings):
    """The configuration of every process that works with the database."""

    model_config = _SOURCES


GROUPS: tuple[type[BaseSettings], ...] = (RequiredSettings, OptionalSettings, TuningSettings)
"""The settings by reader, in the order of the README; the first line of a group's docstring is its heading."""

MOUNTED_SECRETS = Path("/run/secrets")
"""Where container engines mount secrets: a file `database_url` stands for DATABASE_URL, and so on."""


def load_settings() -> Settings:
    """Read the environment once; what it leaves out may come from a mounted secret.

    Raises: ConfigurationError naming the first wrong variable, or all that are missing; never a value.
    """
    return _load(Settings)


def load_messaging_settings() -> MessagingSettings:
    """Read what beat and Flower need. Raises: ConfigurationError, as `load_settings`."""
    return _load(MessagingSettings)


_AnySettings = TypeVar("_AnySettings", bound=BaseSettings)


def _load(kind: type[_AnySettings]) -> _AnySettings:
    try:
        return kind(_secrets_dir=MOUNTED_SECRETS if MOUNTED_SECRETS.is_dir() else None)
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)
        first = next((one for one in wrong if one["type"] != "missing"), wrong[0])
        alike = [one for one in wrong if one["type"] == first["type"] == "missing"] or [first]
        named = ", ".join(sorted(str(one["loc"][0]).upper() if one["loc"] else "the environment" for one in alike))
        raise ConfigurationError(f"{named}: {first['msg']}") from None


_SCHEMES = {
    "DATABASE_URL": ("postgresql", "postgres", "postgresql+psycopg2"),
    "BROKER_URL": ("amqp", "amqps"),
    "REDIS_URL": ("redis", "rediss", "sentinel", "sentinels"),
    "FINMIND_CACHE_URL": ("redis", "rediss", "unix"),
}


def _is_readable(url: str, schemes: Collection[str]) -> bool:
    """Say whether an address has one of the schemes. Raises: ValueError when it, or an option in it, means nothing."""
    if names_sentinels(url) and "sentinel" in schemes:
        return bool(parse_sentinels(url).sentinels)
    parts = urlsplit(url)
    if parts.scheme not in schemes or (parts.port is not None and parts.port <= 0):
        return False
    if "redis" in schemes:
        check_options(url)
    elif "postgresql" in schemes:
        _check_libpq_options(url)
    return True


def _check_libpq_options(url: str) -> None:
    """Refuse an option that Postgres' client does not know. Raises: ValueError."""
    try:
        make_dsn(**{name: str(value) for name, value in make_url(url).query.items()})
    except psycopg2.ProgrammingError:
        raise ValueError("an option that libpq does not know") from None


def check_addresses(settings: Settings) -> None:
    """Refuse the address of a server that cannot be read. Raises: ConfigurationError naming the variable alone."""
    for variable, schemes in _SCHEMES.items():
        value = getattr(settings, variable.lower())
        if value is None:
            continue
        try:
            readable = _is_readable(value.get_secret_value(), schemes)
        except ValueError:
            readable = False
        if not readable:
            raise ConfigurationError(
                f"{variable} is not an address of the form {schemes[0]}://user:password@host:port/name,"
                " or has an option that means nothing"
            )
