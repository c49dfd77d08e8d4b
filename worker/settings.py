"""Every environment variable, typed, with its unit and default; the README's table is tested against this class.

Read once, at the top (runtime, app, cli, api). Everything below receives values or small frozen policies.
"""

from functools import cached_property
from pathlib import Path

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from worker.errors import ConfigurationError


class Settings(BaseSettings):
    """The configuration of every process of the worker."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: SecretStr = Field(description="Postgres 16 or newer, the database FinMind uses.")
    redis_url: SecretStr = Field(description="Redis 6.2 or newer for the broker; not FinMind's cache database.")
    finmind_cache_url: SecretStr | None = Field(
        default=None, description="FinMind's own Redis; its cached summaries of touched months are cleared."
    )
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
    credential_primary_key: str | None = Field(
        default=None, description="Id of the key that seals; by default the first local one, else KMS, else transit."
    )
    credential_cache_s: PositiveFloat = Field(
        default=300, description="How long a data key of KMS or Vault is kept in memory (s)."
    )
    credential_cache_uses: PositiveInt = Field(
        default=1000, description="How often one data key of KMS or Vault is used before it is asked for again."
    )
    vault_addr: str | None = Field(default=None, description="Address of Vault or OpenBao.")
    vault_token: SecretStr | None = Field(default=None, description="Token for Vault; prefer VAULT_TOKEN_FILE.")
    vault_token_file: Path | None = Field(
        default=None, description="File in which an agent keeps the token for Vault fresh."
    )
    vault_namespace: str | None = Field(default=None, description="Namespace in Vault Enterprise or OpenBao.")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(default="auto", description="`json`, `console`, or `auto`: console on a terminal.")
    statement_folder: Path | None = Field(
        default=None, description="Where `files import` keeps statement files; workers must see it at the same path."
    )

    prepared_statements: bool = Field(
        default=True, description="Off behind a pooler that gives every transaction another connection to Postgres."
    )
    lease_s: PositiveFloat = Field(default=60, description="A run whose worker is silent this long is taken over (s).")
    max_attempts: PositiveInt = Field(default=5, description="A run that lost its worker this often fails as poison.")
    redispatch_s: PositiveFloat = Field(default=90, description="A queued run nobody claimed is published again (s).")
    tick_s: PositiveFloat = Field(default=5, description="How often beat looks for due work (s).")
    dispatch_batch: PositiveInt = Field(default=500, description="Runs published ahead of the workers, at most.")
    runs_per_user: PositiveInt = Field(default=8, description="Runs under way at once for one user.")
    runs_per_connector: PositiveInt = Field(default=32, description="Runs under way at once through one connector.")
    max_tasks_per_child: PositiveInt = Field(default=500, description="A worker child is replaced after so many tasks.")
    run_deadline_s: PositiveFloat = Field(default=840, description="A run hands itself back after this long (s).")

    http_connect_timeout_s: PositiveFloat = Field(default=5, description="Connecting to a provider (s).")
    http_read_timeout_s: PositiveFloat = Field(default=30, description="Waiting for a provider's next bytes (s).")
    http_total_timeout_s: PositiveFloat = Field(default=120, description="One whole answer of a provider (s).")
    provider_private_hosts: str = Field(
        default="",
        description="Hosts of providers that need not be public, such as your own SimpleFIN server; by commas.",
    )

    refresh_overlap_days: PositiveInt = Field(default=45, description="How far a refresh without cursor looks back.")
    history_days: PositiveInt = Field(default=730, description="How far a first import looks back, at most.")

    webhook_tick_s: PositiveFloat = Field(default=1, description="How often beat looks for due deliveries (s).")
    webhook_retry_delays_s: str = Field(
        default="60,300,900",
        description="Waits between the attempts of a delivery (s); `extended` goes on for up to 24 hours.",
    )
    webhook_connect_timeout_s: PositiveFloat = Field(default=5, description="Connecting to a receiver (s).")
    webhook_total_timeout_s: PositiveFloat = Field(default=15, description="One whole exchange with a receiver (s).")
    webhook_places: PositiveInt = Field(default=256, description="Exchanges under way at once in one worker child.")
    webhook_cap: PositiveInt = Field(default=8, description="Exchanges under way at once for one subscription.")
    webhook_rate_per_s: PositiveInt = Field(default=100, description="Deliveries to one subscription a second.")
    webhook_breaker_failures: PositiveInt = Field(
        default=5, description="After so many failures in a row a subscription is left alone for a while."
    )
    webhook_breaker_s: PositiveFloat = Field(default=60, description="The first such while, doubling up to 1 h (s).")
    webhook_disable_after_h: PositiveFloat = Field(
        default=120, description="A subscription that only fails for so long is disabled (h)."
    )
    webhook_max_per_user: PositiveInt = Field(default=20, description="Subscriptions of one user, at most.")
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
    webhook_retention_days: PositiveInt = Field(
        default=30, description="Events, deliveries and attempts are kept this long (days)."
    )
    bill_catch_up_days: PositiveInt = Field(
        default=7, description="After downtime, bills due in the last so many days are still announced."
    )
    reminder_catch_up_days: PositiveInt = Field(
        default=7, description="Reminders older than this are stale and are not sent any more (days)."
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        description="`smtp+ssl://user:password@host:465` or `smtp+starttls://…:587`; without it no reminder is sent.",
    )
    smtp_timeout_s: PositiveFloat = Field(default=15, description="Each step with the mail server (s).")
    email_from: str | None = Field(default=None, description="The sender of reminders, as FinMind has it.")
    link_apps: SecretStr | None = Field(
        default=None,
        description="JSON with your applications at `plaid`, `enablebanking`, `gocardless`; the API links with them.",
    )
    api_host: str = Field(default="127.0.0.1", description="Address the HTTP API listens on.")
    api_port: PositiveInt = Field(default=8400, description="Port of the HTTP API.")
    api_requests_per_minute: PositiveInt = Field(default=300, description="Requests of one user per minute.")
    ops_basic_auth: SecretStr | None = Field(
        default=None, description="`user:password` for the operator's page /ops of the API; off without it."
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

    flower_port: PositiveInt = Field(default=5555, description="Flower's port on loopback under `up`.")
    flower_basic_auth: SecretStr | None = Field(default=None, description="`user:password` for Flower beyond loopback.")

    @cached_property
    def log_json(self) -> bool | None:
        """True for JSON lines, False for the console, None to decide by the terminal."""
        return {"json": True, "console": False}.get(self.log_format)


MOUNTED_SECRETS = Path("/run/secrets")
"""Where container engines mount secrets: a file `database_url` stands for DATABASE_URL, and so on."""


def load_settings() -> Settings:
    """Read the environment once; what it leaves out may come from a mounted secret.

    Raises: ConfigurationError naming the first wrong variable and what is wrong with it, never its value.
    """
    try:
        return Settings(_secrets_dir=MOUNTED_SECRETS if MOUNTED_SECRETS.is_dir() else None)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        variable = str(first["loc"][0]).upper() if first["loc"] else "the environment"
        raise ConfigurationError(f"{variable}: {first['msg']}") from None
