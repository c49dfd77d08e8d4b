"""The whole of a manifest."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from worker.connectors.manifest.key_lines import KeyLines, Loc
from worker.connectors.manifest.login import Auth, BaseUrls, BrowserLogin, ConfigField
from worker.connectors.manifest.requests import (
    AccountsRequest,
    ChangesRequest,
    ListRequest,
    ManifestRequest,
    OneOrMoreAccounts,
    OneOrMoreBalances,
    OneOrMoreTransactions,
    TransactionsRequest,
)
from worker.connectors.manifest.rules import ErrorRule, Limits, Promises, Sample, Webhook
from worker.connectors.manifest.values import ManifestPart, TextValue, ZoneName

MANIFEST_NAME = r"^[a-z][a-z0-9_]{1,39}$"

LIST, ID = "list", "id"
"""Kept of every account without a word: the name of the `[[accounts]]` that it stands in, and its id."""

NAMED = re.compile(r"\{([a-z_]+(?:\.[a-z_]+)?)\}")
"""A value that is named in a text: `{token}`, `{account}`, `{account.category}`."""


class Manifest(ManifestPart):
    """A connector to one HTTP API, without code."""

    manifest: Literal[1] = Field(description="Version of this vocabulary.")
    name: str = Field(pattern=MANIFEST_NAME, description="Name of the connector.")
    title: str = Field(min_length=1, description="What people call the provider.")
    version: str = Field(description="Version of this manifest.")
    summary: str = Field(default="", description="A sentence for people who choose a connector.")
    documentation: str = Field(default="", description="Address of the provider's documentation.")
    verified: str = Field(default="", description="What this manifest was compared with, and when.")
    countries: tuple[Annotated[str, Field(pattern=r"^[A-Z]{2}$")], ...] = Field(default=(), description="Two letters.")
    logo: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$", description="Name of a logo for the web app.")
    linked_by: Literal["token", "browser"] = Field(
        default="token", description="`token`: a person pastes keys. `browser`: the web app sends them to the provider."
    )
    timezone: ZoneName = Field(description="Zone in which the bank counts its days.")
    base_url: str | BaseUrls = Field(
        description="Where the API is; `{field}` where a person names a server of their own."
    )
    hosts: tuple[str, ...] = Field(default=(), description="Further hosts it may reach; that of base_url always is.")
    config: dict[str, ConfigField] = Field(default_factory=dict, description="NAME = what a connection needs to know.")
    auth: Auth = Field(description="How to log in.")
    link: BrowserLogin | None = Field(default=None, description="How a person logs in at the provider's own page.")
    promises: Promises = Field(description="What the provider promises.")
    limits: Limits = Field(default_factory=Limits, description="How often it may be asked.")
    status: ManifestRequest | None = Field(default=None, description="A cheap question that needs the login.")
    parents: ListRequest | None = Field(default=None, description="A list to read before the accounts, for each of it.")
    accounts: OneOrMoreAccounts = Field(min_length=1, description="The accounts.")
    balances: OneOrMoreBalances = Field(default=(), description="Balances, where accounts do not carry them.")
    transactions: OneOrMoreTransactions = Field(min_length=1, description="The transactions of a window.")
    changes: ChangesRequest | None = Field(default=None, description="What changed since a cursor.")
    revoke: ManifestRequest | None = Field(default=None, description="The question that ends the authorisation.")
    errors: tuple[ErrorRule, ...] = Field(default=(), description="The provider's own errors, the first that fits.")
    webhook: Webhook | None = Field(default=None, description="What the provider tells by itself.")
    samples: tuple[Sample, ...] = Field(default=(), description="Answers with what they mean, for `connectors check`.")

    _lines: KeyLines | None = PrivateAttr(default=None)
    _origin: str = PrivateAttr(default="")

    @model_validator(mode="before")
    @classmethod
    def _named_and_inherited(cls, data: Any) -> Any:  # noqa: ANN401 - whatever the file holds
        return _complete(data) if isinstance(data, dict) else data

    def remember_lines(self, origin: str, lines: KeyLines) -> None:
        """Keep where the manifest was read from, for messages about it."""
        self._origin, self._lines = origin, lines

    def place(self, loc: Loc) -> str:
        """Return file and line of a part, such as `bank.toml:12`."""
        return f"{self._origin or self.name}:{self._lines.of(loc) if self._lines else 1}"

    @property
    def requests(self) -> dict[str, ManifestRequest]:
        """Every request by its name."""
        alone = (self.status, self.parents, self.changes, self.revoke)
        many = (*self.accounts, *self.balances, *self.transactions)
        return {request.name: request for request in (*alone, *many) if request is not None}

    def fields_of(self, name: str) -> TransactionsRequest:
        """Return the transactions request of a name."""
        return next(request for request in self.transactions if request.name == name)

    @property
    def kept(self) -> set[str]:
        """Names that are kept of accounts."""
        return {name for request in self.accounts for name in request.keep}

    @property
    def hooks(self) -> set[str]:
        """Names of the Python functions it points to."""
        with_fields: tuple[AccountsRequest | TransactionsRequest, ...] = (*self.accounts, *self.transactions)
        fields = (value for request in with_fields for _, value in request.fields)
        return {field.hook for field in fields if isinstance(field, TextValue) and field.hook}


def texts_of(request: ManifestRequest) -> list[str]:
    """Return every text of a request that may name values."""
    body = request.json_body or request.form or {}
    return [request.path, *strings_of(request.params), *strings_of(request.headers), *strings_of(body)]


def strings_of(found: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a manifest
    """Yield every text in a part of a manifest, at any depth."""
    match found:
        case str():
            yield found
        case dict():
            for value in found.values():
                yield from strings_of(value)
        case list() | tuple():
            for value in found:
                yield from strings_of(value)
        case _:
            return


def _complete(data: dict[str, Any]) -> dict[str, Any]:
    """Give every request its name, and the fields of the one that it is like."""
    done = dict(data)
    for section in ("status", "parents", "changes", "revoke"):
        if isinstance(done.get(section), dict):
            done[section] = {"name": section} | done[section]
    for section in ("accounts", "balances", "transactions"):
        found = done.get(section)
        many = [found] if isinstance(found, dict) else found
        if isinstance(many, list) and all(isinstance(one, dict) for one in many):
            done[section] = [
                {"name": section if number == 0 else f"{section}_{number + 1}"} | one for number, one in enumerate(many)
            ]
    lists = done.get("transactions")
    if isinstance(lists, list):
        by_name = {str(one.get("name")): one for one in lists if isinstance(one, dict)}
        done["transactions"] = [_inherit(one, by_name) for one in lists]
    return done


def _inherit(request: Any, by_name: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever the file holds
    if not isinstance(request, dict) or not isinstance(request.get("like"), str):
        return request
    base = by_name.get(request["like"])
    if base is None or base is request:
        raise ValueError(f"transactions: like = '{request['like']}' names no other request")
    above, own = base.get("fields", {}), request.get("fields", {})
    if not (isinstance(above, dict) and isinstance(own, dict)):
        return request
    fields = {**above, **own}
    return {**request, "fields": {name: value for name, value in fields.items() if value != ""}}
