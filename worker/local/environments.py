"""Environment variables of each process of `up`: a process gets the secrets that it reads, and no others. Pure.

Settings without a secret in them go to every process of the worker; `SECRETS` says who gets which secret. Postgres and
Redis are told nothing of ours.
"""

from collections.abc import Iterable, Mapping

from pydantic import SecretStr

from worker.settings import Settings

_SYSTEM = frozenset({"PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH"})
_SYSTEM_PREFIXES = ("LC_",)
_OF_PROGRAMS = frozenset(
    {"HOME", "USER", "LOGNAME", "TERM", "NO_COLOR", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR", "LOG_FORMAT"}
)
_OF_PROGRAMS_PREFIXES = ("PYTHON",)

_KEYS = frozenset(
    {
        "CREDENTIAL_KEYS",
        "CREDENTIAL_KEYS_FILE",
        "VAULT_TOKEN",
        "VAULT_TOKEN_FILE",
        "HTTPS_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
    }
)
_KEYS_PREFIXES = ("AWS_",)
_TRACING_PREFIXES = ("OTEL_",)
_OPENS_CREDENTIALS = _KEYS | {"DATABASE_URL", "REDIS_URL", "BROKER_URL"}
_IMPORTS = _OPENS_CREDENTIALS | {"FINMIND_CACHE_URL", "LINK_APPS", "FAULT_DIRECTORY"}

SECRETS: Mapping[str, frozenset[str]] = {
    "interactive": _IMPORTS | {"EVENT_SIGNING_KEY"},
    "scheduled": _IMPORTS,
    "heavy": _IMPORTS,
    "webhooks": _OPENS_CREDENTIALS
    | {"SMTP_URL", "WEBHOOK_PROXY_URL", "LINK_APPS", "EVENT_SIGNING_KEY", "FAULT_DIRECTORY"},
    "beat": frozenset({"REDIS_URL", "BROKER_URL"}),
    "flower": frozenset({"REDIS_URL", "BROKER_URL", "FLOWER_BASIC_AUTH"}),
    "api": _OPENS_CREDENTIALS | {"FINMIND_CACHE_URL", "JWT_SECRET", "OPS_BASIC_AUTH", "LINK_APPS"},
}
"""Process of `up` to the variables that it gets beside what is no secret."""

_SECRET = frozenset(
    name.upper() for name, field in Settings.model_fields.items() if field.annotation in (SecretStr, SecretStr | None)
)
_HARMLESS = frozenset(name.upper() for name in Settings.model_fields) - _SECRET - _KEYS


def server_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return what Postgres and Redis get of an environment."""
    return _chosen(given, _SYSTEM, _SYSTEM_PREFIXES)


def process_environment(name: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return what a process of the worker gets of an environment.

    Args:
        name: As in `SECRETS`; others get no secret.
    """
    secrets = SECRETS.get(name, frozenset())
    prefixes: tuple[str, ...] = (*_SYSTEM_PREFIXES, *_OF_PROGRAMS_PREFIXES)
    if secrets >= _KEYS:
        prefixes += (*_KEYS_PREFIXES, *_TRACING_PREFIXES)
    return _chosen(given, _SYSTEM | _OF_PROGRAMS | _HARMLESS | secrets, prefixes)


def _chosen(given: Mapping[str, str], names: Iterable[str], prefixes: tuple[str, ...]) -> dict[str, str]:
    wanted = frozenset(names)
    return {name: value for name, value in given.items() if name.upper() in wanted or name.upper().startswith(prefixes)}
