"""Makes the config class of a manifest's connector from its `config` section."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, SecretStr, create_model
from pydantic.config import JsonDict

from worker.connectors.config import ConnectorConfig
from worker.connectors.form import FORM
from worker.connectors.manifest.login import ConfigField
from worker.connectors.manifest.model import Manifest


def _kept(kind: Any, description: str) -> Any:  # noqa: ANN401 - what create_model takes
    """Return a field that the worker itself fills in."""
    form: JsonDict = {FORM: {"by": "worker", "link": None}}
    return kind | None, Field(default=None, description=description, json_schema_extra=form)


_CODE: dict[str, Any] = {
    "code": _kept(SecretStr, "The code of the redirect, until it is exchanged."),
    "code_verifier": _kept(SecretStr, "Proves that the code is asked for by whom it was made for."),
    "redirect_url": _kept(SecretStr, "Where the person was sent back to; belongs to the code."),
}
_TOKENS: dict[str, Any] = {
    "access_token": _kept(SecretStr, "Made from the keys; lives for a while."),
    "access_expires_at": _kept(datetime, "When the token ends (UTC)."),
}


def config_class(manifest: Manifest) -> type[ConnectorConfig]:
    """Return the class that a connection's config is checked with."""
    fields = {name: _field(declared) for name, declared in manifest.config.items()}
    made = (_TOKENS if hasattr(manifest.auth, "lives_s") else {}) | (_CODE if manifest.link else {})
    title = "".join(part.capitalize() for part in manifest.name.split("_"))
    return create_model(f"{title}Config", __base__=ConnectorConfig, **fields, **made)


def _field(declared: ConfigField) -> Any:  # noqa: ANN401 - what create_model takes
    kind: Any = Literal[declared.choices] if declared.choices else str
    if declared.secret:
        kind = SecretStr
    needed = not declared.optional and declared.default is None and declared.by != "worker"
    default: Any = ... if needed else declared.default
    if declared.secret and declared.default is not None:
        default = SecretStr(declared.default)
    form: JsonDict = {FORM: {"by": declared.by, "link": declared.link}}
    return (
        kind if needed or declared.default is not None else kind | None,
        Field(
            default=default,
            title=declared.title,
            description=declared.help or declared.title,
            min_length=1 if needed and not declared.choices else None,
            json_schema_extra=form,
        ),
    )
