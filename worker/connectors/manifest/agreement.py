"""What the parts of a manifest have to agree about: names, hosts, references. Pure."""

import re
from collections.abc import Iterator

from worker.connectors.base import AccountType, IdClass, Scope, TransactionKind
from worker.connectors.http import is_secure
from worker.connectors.manifest.browser_login import link_problems
from worker.connectors.manifest.key_lines import Loc
from worker.connectors.manifest.login import BaseUrls, addresses, host_of
from worker.connectors.manifest.model import ID, LIST, NAMED, Manifest, strings_of
from worker.connectors.manifest.places import Problem, listed, located, paths_of
from worker.connectors.manifest.requests import ChangesRequest, ManifestRequest, TransactionsRequest
from worker.connectors.manifest.secret_places import secret_problems
from worker.connectors.manifest.values import TextValue

RESERVED = (
    *("account", "parent", "from", "to", "access_token", "access_expires_at", "signature"),
    *("code", "code_verifier", "redirect_url"),
)
_NAME = re.compile(r"[a-z][a-z_]*")
_FILLED = ("path", "params", "headers", "json_body", "form")


def disagreements(manifest: Manifest) -> Iterator[Problem]:
    """Yield everything in which the parts of a manifest contradict one another."""
    yield from _names(manifest)
    yield from _named_values(manifest)
    yield from _addresses(manifest)
    yield from _needed_fields(manifest)
    yield from _references(manifest)
    yield from _paths(manifest)
    yield from secret_problems(manifest)
    yield from _closed_lists(manifest)
    yield from link_problems(manifest)
    yield from _links(manifest)


def _names(manifest: Manifest) -> Iterator[Problem]:
    for name in manifest.config:
        if not _NAME.fullmatch(name) or name in RESERVED:
            message = f"a field's name has small letters and underscores, and is none of {', '.join(RESERVED)}"
            yield ("config", name), message
    lists = [("accounts", number, one.keep) for number, one in enumerate(manifest.accounts)]
    lists += [("parents", 0, manifest.parents.keep)] if manifest.parents else []
    for section, number, keep in lists:
        for name in (name for name in keep if not _NAME.fullmatch(name) or name == LIST):
            yield (section, number, "keep", name), f"has other signs than small letters and underscores, or is '{LIST}'"
    seen: set[str] = set()
    for loc, request in located(manifest):
        if request.name in seen:
            yield loc, f"two requests are named '{request.name}': give each a name of its own"
        seen.add(request.name)


def _named_values(manifest: Manifest) -> Iterator[Problem]:
    for loc, request in located(manifest):
        known = _sayable(manifest, request)
        for part in _FILLED:
            for text in strings_of(getattr(request, part)):
                yield from _unknown(text, known, (*loc, part.removesuffix("_body")))
    for name, value in manifest.auth:
        for text in strings_of(value):
            yield from _unknown(text, {*manifest.config, "access_token"}, ("auth", name.removesuffix("_body")))
    signature = manifest.auth.signature
    if signature is not None:
        yield from _unknown(signature.secret, set(manifest.config), ("auth", "signature", "secret"))
        yield from _unknown(signature.written, {*manifest.config, "signature"}, ("auth", "signature", "written"))
    if manifest.webhook:
        yield from _unknown(manifest.webhook.signature.secret, set(manifest.config), ("webhook", "signature", "secret"))


def _sayable(manifest: Manifest, request: ManifestRequest) -> set[str]:
    """Return the names of the values that a request may name."""
    fields = set(manifest.config)
    parent = {f"parent.{name}" for name in manifest.parents.keep} if manifest.parents else set[str]()
    if request in manifest.accounts:
        return fields | parent
    about_account = {"account"} | {f"account.{name}" for name in (*manifest.kept, LIST)} | parent
    if isinstance(request, TransactionsRequest):
        return fields | {"from", "to"} | about_account
    return fields | about_account if request in manifest.balances or isinstance(request, ChangesRequest) else fields


def _unknown(text: str, known: set[str], loc: Loc) -> Iterator[Problem]:
    for name in NAMED.findall(text):
        if name not in known:
            yield loc, f"{{{name}}} names nothing that is known here; known are {listed(known)}"


def _addresses(manifest: Manifest) -> Iterator[Problem]:
    declared = manifest.base_url
    urls = addresses(declared)
    token_url: str | BaseUrls = getattr(manifest.auth, "url", "")
    page = manifest.link.url if manifest.link else ""
    by_environment: list[tuple[Loc, str | BaseUrls]]
    by_environment = [(("base_url",), declared), (("auth", "url"), token_url), (("link", "url"), page)]
    for loc, one in by_environment:
        if isinstance(one, BaseUrls):
            yield from _environments(manifest, loc, one)
    for url in urls:
        if NAMED.fullmatch(url):
            yield from _unknown(url, set(manifest.config), ("base_url",))
        elif not is_secure(url):
            yield ("base_url",), f"'{url}' is no https address"
    reached = {host_of(url) for url in urls} | set(manifest.hosts)
    asked = [((*loc, "path"), request.path) for loc, request in located(manifest)]
    asked += [(("auth", "url"), url) for url in addresses(token_url)]
    for loc, url in asked:
        if "://" in url and (host_of(url) not in reached or not is_secure(url)):
            yield loc, f"'{host_of(url)}' is not declared, or not https: name it in hosts"


def _environments(manifest: Manifest, loc: Loc, declared: BaseUrls) -> Iterator[Problem]:
    if declared.by not in manifest.config:
        yield loc, f"there is no config field '{declared.by}'; there are {listed(manifest.config)}"
        return
    choices = manifest.config[declared.by].choices
    if not choices:
        yield ("config", declared.by), f"state its choices: {listed(declared.urls)}"
    for choice in choices:
        if choice not in declared.urls:
            yield (*loc, "urls"), f"there is no address for '{choice}', a choice of config.{declared.by}"


def _needed_fields(manifest: Manifest) -> Iterator[Problem]:
    trusted = manifest.promises.ids in (IdClass.STABLE, IdClass.SESSION)
    for number, request in enumerate(manifest.transactions):
        loc: Loc = ("transactions", number, "fields")
        if manifest.promises.scope is Scope.CONNECTION and request.fields.account is None:
            yield loc, "account is missing: with promises.scope connection, one answer has rows of several accounts"
        if trusted and request.fields.id is None and request.fields.state != "pending":
            yield loc, f"id is missing: promises.ids is {manifest.promises.ids}"
        if manifest.promises.scope is Scope.CONNECTION and any("{account" in text for text in strings_of(request.path)):
            yield (*loc[:2], "path"), "names an account, but promises.scope is connection"


def _links(manifest: Manifest) -> Iterator[Problem]:
    """Yield links from a row to the pending one that name the row itself."""
    for number, request in enumerate(manifest.transactions):
        fields = request.fields
        if (
            fields.pending_id is not None
            and fields.id is not None
            and set(paths_of(fields.pending_id)) & set(paths_of(fields.id))
        ):
            message = "is the row's own id: say where it names the pending row that it replaces, or leave it out"
            yield ("transactions", number, "fields", "pending_id"), message


def _references(manifest: Manifest) -> Iterator[Problem]:
    known = {*manifest.requests, "token", "webhook"}
    named: list[tuple[Loc, str]] = [(("samples", at, "of"), one.of) for at, one in enumerate(manifest.samples)]
    for at, one in enumerate(manifest.limits.allowances):
        named.append((("limits", "allowances", at, "request"), one.request))
    for at, rule in enumerate(manifest.errors):
        named += [(("errors", at, "of"), name) for name in rule.of]
        if rule.means == "nothing":
            yield from _hidden(manifest, at, set(rule.of))
    if manifest.changes is not None:
        named.append((("changes", "like"), manifest.changes.like))
    for loc, name in named:
        if name not in known:
            yield loc, f"there is no request '{name}'; there are {listed(known)}"
    webhook = manifest.webhook
    if webhook is not None and webhook.connection_field not in manifest.config:
        yield ("webhook", "connection_field"), f"there is no config field '{webhook.connection_field}'"


def _hidden(manifest: Manifest, at: int, of: set[str]) -> Iterator[Problem]:
    """Yield that every list of a kind would be taken for empty."""
    for kind, requests in (("accounts", manifest.accounts), ("transactions", manifest.transactions)):
        if {one.name for one in requests} <= of:
            yield ("errors", at, "of"), f"there would be no {kind} at all: name only lists that may be missing"
    for name in sorted(of & {one.name for one in (manifest.status, manifest.changes, manifest.revoke) if one}):
        yield ("errors", at, "of"), f"'{name}' is no list"


def _paths(manifest: Manifest) -> Iterator[Problem]:
    kept_of_parents = set(manifest.parents.keep) if manifest.parents else set[str]()
    for loc, request in located(manifest):
        fields = getattr(request, "fields", ())
        found = [((*loc, "fields", name), path) for name, value in fields for path in paths_of(value)]
        found += [((*loc, "where"), path) for path in getattr(request, "where", ())]
        found += [((*loc, "only_for"), path) for path in getattr(request, "only_for", ())]
        for place, path in found:
            where, _, rest = path.partition(".")
            if where == "@account" and rest not in (*manifest.kept, LIST, ID):
                yield place, f"{path}: nothing of that name is kept of accounts; kept are {listed(manifest.kept)}"
            if where == "@parent" and rest not in kept_of_parents:
                yield place, f"{path}: nothing of that name is kept of parents; kept are {listed(kept_of_parents)}"
            if where == "@record" and not getattr(request, "each", None):
                yield place, f"{path}: only a request with `each` reads the record around its parts"
            if where == "@config" and rest not in manifest.config:
                yield place, f"{path}: there is no config field of that name; there are {listed(manifest.config)}"


def _closed_lists(manifest: Manifest) -> Iterator[Problem]:
    """Yield types of accounts and kinds of rows that there are not."""
    fields: list[tuple[Loc, TextValue | None, list[str]]] = []
    for at, accounts in enumerate(manifest.accounts):
        fields.append((("accounts", at, "fields", "type"), accounts.fields.type, list(AccountType)))
    for at, transactions in enumerate(manifest.transactions):
        fields.append((("transactions", at, "fields", "kind"), transactions.fields.kind, list(TransactionKind)))
    for loc, value, allowed in fields:
        if value is None:
            continue
        said = [*value.choices.values(), *(text for text in (value.const, value.otherwise) if text is not None)]
        for text in said:
            if text not in allowed:
                yield loc, f"'{text}' is none of {', '.join(allowed)}"
        if loc[-1] == "kind" and not said and value.hook is None:
            yield loc, f"name with choices which value is which of {', '.join(allowed)}"
