"""Writes the tables of docs/manifest.md: every key of a manifest with its values and meaning, from the model itself."""

import textwrap
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from worker.connectors.manifest import login, paging_kinds, requests, rules, values
from worker.connectors.manifest.model import Manifest

_SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("the file itself", Manifest),
    ("[config.NAME]", login.ConfigField),
    ("base_url, as a choice", login.BaseUrls),
    ('[auth] kind = "none"', login.NoAuth),
    ('[auth] kind = "bearer"', login.BearerAuth),
    ('[auth] kind = "headers"', login.HeaderAuth),
    ('[auth] kind = "basic"', login.BasicAuth),
    ('[auth] kind = "query"', login.QueryAuth),
    ('[auth] kind = "oauth2_client_credentials"', login.ClientCredentialsAuth),
    ('[auth] kind = "oauth2_refresh_token"', login.RefreshTokenAuth),
    ('[auth] kind = "token_request"', login.TokenRequestAuth),
    ("[auth.signature]", login.RequestSignature),
    ("[link]", login.BrowserLogin),
    ("[promises]", rules.Promises),
    ("[limits] burst", rules.BurstLimit),
    ("[limits] allowances", rules.AllowanceLimit),
    ("[limits] headers", rules.LimitHeaders),
    ("[status], [revoke]", requests.ManifestRequest),
    ("[parents]", requests.ListRequest),
    ("[accounts]", requests.AccountsRequest),
    ("[accounts.fields]", requests.AccountFields),
    ("[balances]", requests.BalancesRequest),
    ("[balances.fields]", requests.BalanceFields),
    ("[transactions]", requests.TransactionsRequest),
    ("[transactions.fields]", requests.TransactionFields),
    ("window", requests.DayWindow),
    ("[changes]", requests.ChangesRequest),
    ('paging, kind = "token"', paging_kinds.TokenPaging),
    ('paging, kind = "link"', paging_kinds.LinkPaging),
    ('paging, kind = "link_header"', paging_kinds.LinkHeaderPaging),
    ('paging, kind = "header"', paging_kinds.HeaderPaging),
    ('paging, kind = "offset"', paging_kinds.OffsetPaging),
    ('paging, kind = "page"', paging_kinds.NumberPaging),
    ('paging, kind = "last_id"', paging_kinds.LastIdPaging),
    ('paging, kind = "last_moment"', paging_kinds.LastMomentPaging),
    ("a text", values.TextValue),
    ("an amount", values.AmountValue),
    ("a day", values.DayValue),
    ("a moment", values.MomentValue),
    ("state", values.StateValue),
    ("anchor", values.AnchorValue),
    ("[[errors]]", rules.ErrorRule),
    ("[webhook]", rules.Webhook),
    ("[webhook.signature]", rules.WebhookSignature),
    ("[[samples]]", rules.Sample),
    ("rows of a sample", values.StatedRow),
    ("accounts of a sample", values.StatedAccount),
)


def reference() -> str:
    """Return the tables, one for each section."""
    return "\n".join(line for title, model in _SECTIONS for line in _table(title, model)) + "\n"


def _table(title: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"### `{title}`"
    yield ""
    first = (model.__doc__ or "").strip().splitlines()[0]
    yield from textwrap.wrap(first, 118, break_long_words=False, break_on_hyphens=False)
    yield ""
    shown = {name: field for name, field in model.model_fields.items() if _is_shown(model, name, field)}
    if shown:
        yield "| key | values | default | meaning |"
        yield "|---|---|---|---|"
        yield from (_row(field.alias or name, field) for name, field in shown.items())
        yield ""


def _is_shown(model: type[BaseModel], name: str, field: FieldInfo) -> bool:
    """Leave out the kind, which the title says, and what every login may have: a certificate, a signature."""
    if name == "kind":
        return len(_kinds(field)) != 1
    return name not in ("certificate", "certificate_key", "signature") or model is login.NoAuth


def _kinds(field: FieldInfo) -> tuple[Any, ...]:
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def _row(name: str, field: FieldInfo) -> str:
    default = "" if field.is_required() else _default(field.get_default(call_default_factory=True))
    needed = "**needed**" if field.is_required() else default
    meaning = (field.description or "").replace("|", "/")
    return f"| `{name}` | {_values(field.annotation)} | {needed} | {meaning} |"


def _default(value: Any) -> str:  # noqa: ANN401 - any default
    if value in (None, "", (), {}) or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`"


def _values(annotation: Any) -> str:  # noqa: ANN401 - any annotation
    if get_origin(annotation) is Literal:
        arguments = get_args(annotation)
        return " ".join(f"`{one}`" for one in arguments) if len(arguments) < _MOST_NAMED else "see above"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return " ".join(f"`{one}`" for one in annotation)
    text = str(annotation)
    return next((word for part, word in _WORDS if part in text), "text")


_MOST_NAMED = 8
_WORDS = (
    ("StatedRow", "list"),
    ("StatedAccount", "list"),
    ("TextValue", "a text"),
    ("AmountValue", "an amount"),
    ("DayValue", "a day"),
    ("MomentValue", "a moment"),
    ("StateValue", "`posted` `pending` or a table"),
    ("Literal['posted'", "`posted` `pending` `ignored`"),
    ("Literal['inclusive'", "`inclusive` `exclusive`"),
    ("BaseUrls", "text or table"),
    ("dict", "table"),
    ("tuple", "list"),
    ("manifest.", "table"),
    ("class 'bool'", "yes or no"),
    ("class 'int'", "number"),
    ("class 'float'", "number"),
    ("int | None", "number"),
)
