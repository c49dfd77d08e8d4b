"""Finds what a manifest names and no sample shows: a place that is only written in the manifest is not proven."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from worker.connectors.base import AccountType
from worker.connectors.manifest.checking.findings import ManifestFinding, note, wrong
from worker.connectors.manifest.checking.leaves import get, steps_of
from worker.connectors.manifest.checking.samples import Samples
from worker.connectors.manifest.key_lines import Loc
from worker.connectors.manifest.login import TokenRequestAuth
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.places import located, paths_of
from worker.connectors.manifest.requests import AccountsRequest, ChangesRequest, ListRequest, TransactionsRequest
from worker.connectors.manifest.values import AmountValue, StateValue, TextValue

Json = Any
_DEFECTS = {400, 404, 405, 406, 415, 422}
_MONEY = ("amount", "booked", "available")
_NEEDED = ("id", "account", "description", "name")
_SELDOM_STATED = ("balance_after", "original_amount", "value_on", "kind", "pending_id")
_STATED = {"id": "id", "currency": "currency", "counterparty": "counterparty", "description": "text"}


class ShownPlaces:
    """What the samples of a manifest show of the places that it names."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._samples = Samples(manifest)

    def missing(self) -> Iterator[ManifestFinding]:
        """Yield the places that no sample shows; those that may be absent are notes."""
        yield from self._of_token()
        for loc, request in located(self._manifest):
            if isinstance(request, ListRequest) and self._samples.good(request.name):
                yield from self._of_list(loc, request)
            elif isinstance(request, ListRequest) and request is self._manifest.parents:
                yield wrong(loc, f"no sample shows a good answer to '{request.name}'")
            if isinstance(request, ChangesRequest):
                yield from self._of_changes(loc, request)
        yield from self._of_errors()
        yield from self._of_webhook()

    def _of_list(self, loc: Loc, request: ListRequest) -> Iterator[ManifestFinding]:
        samples = self._samples.good(request.name)
        records = [record for one in samples for record in self._samples.records(one)]
        bodies = self._bodies(request.name)
        for name, path in request.keep.items():
            if not _has_value(records, bodies, path):
                yield _unseen((*loc, "keep", name), path)
        for path in request.where:
            if not _has_value(records, bodies, path):
                yield _unseen((*loc, "where"), path)
        for name, value in getattr(request, "fields", ()):
            yield from self._of_field((*loc, "fields", name), name, value, records, bodies)
        if isinstance(request, AccountsRequest):
            yield from self._unstated_of_accounts(loc, request)
        if isinstance(request, TransactionsRequest):
            yield from self._unstated(loc, request, records)
            yield from self._unshown_words(loc, request, records)
        yield from self._of_paging(loc, request, bodies)

    def _of_field(
        self, loc: Loc, name: str, value: Any, records: list[Json], bodies: list[Json]  # noqa: ANN401 - any value of a field
    ) -> Iterator[ManifestFinding]:  # fmt: skip
        needed = _needed_paths(name, value)
        if needed and not any(_has_value(records, bodies, path) for path in needed):
            yield _unseen(loc, " / ".join(needed))
            return
        for path in paths_of(value):
            if not _has_value(records, bodies, path):
                yield note(loc, f"no sample shows a value at '{path}'")
        if name == "type" and isinstance(value, TextValue) and not value.choices and value.path:
            for found in sorted({str(one) for record in records if (one := get(record, steps_of(value.path)))}):
                if found not in set(AccountType):
                    yield wrong(loc, f"'{found}' is none of {', '.join(AccountType)}: use choices")

    def _unstated_of_accounts(self, loc: Loc, request: AccountsRequest) -> Iterator[ManifestFinding]:
        """Yield the anchor and the type that nobody stated, so that nothing compares them."""
        stated = [account for one in self._samples.good(request.name) for account in one.accounts]
        for name, why in (("anchor", ": it has to be another one for every account of every person"), ("type", "")):
            if getattr(request.fields, name) is not None and not any(getattr(one, name) for one in stated):
                yield note((*loc, "fields", name), f"no account of a sample states its {name}{why}")

    def _unstated(self, loc: Loc, request: TransactionsRequest, records: list[Json]) -> Iterator[ManifestFinding]:
        """Yield the fields that the samples show and nobody stated, so that nothing compares them."""
        rows = [row for one in self._samples.good(request.name) for row in one.rows if not row.ignored]
        if rows and request.fields.id is not None and not any(row.id for row in rows):
            yield wrong((*loc, "fields", "id"), "no row of a sample states its id")
        if rows and not all(row.on for row in rows if not row.pending):
            yield wrong((*loc, "fields"), "every posted row of a sample needs its day: state `on`")
        for name in ("description", "counterparty", "currency"):
            stated = any(getattr(row, _STATED[name]) for row in rows)
            if rows and not stated and getattr(request.fields, name) is not None:
                yield note((*loc, "fields", name), f"no row of a sample states its {_STATED[name]}")
        shown = [
            name
            for name in _SELDOM_STATED
            if any(_has_value(records, (), path) for path in paths_of(getattr(request.fields, name)))
        ]
        silent = [name for name in shown if not any(getattr(row, name) is not None for row in rows)]
        if silent:
            message = f"no row of a sample states {', '.join(silent)}, so that nothing compares what is read"
            yield note((*loc, "fields", silent[0]), message)

    def _unshown_words(self, loc: Loc, request: TransactionsRequest, records: list[Json]) -> Iterator[ManifestFinding]:
        """Yield the words that decide about a row and that no sample shows, so that nobody compared what they mean."""
        fields = request.fields
        by_place: list[tuple[str, str, Iterable[Any]]] = []
        if isinstance(fields.state, StateValue):
            stated = (*fields.state.posted, *fields.state.pending, *fields.state.ignored)
            by_place.append(("state", fields.state.path, stated))
            if fields.state.otherwise is not None:
                message = f"every value that is not named is {fields.state.otherwise}: a refused payment would be, too"
                yield note((*loc, "fields", "state"), message)
        for conditions in (fields.amount.flipped_when, fields.amount.out_when, fields.amount.in_when):
            by_place += [("amount", path, named) for path, named in conditions.items()]
        for name, path, words in by_place:
            seen = {str(get(record, steps_of(path))) for record in records}
            unseen = [str(word) for word in words if str(word) not in seen]
            if unseen and not path.startswith("@"):
                yield note((*loc, "fields", name), f"no sample shows a row with {', '.join(unseen)} at '{path}'")

    def _of_paging(self, loc: Loc, request: ListRequest, bodies: list[Json]) -> Iterator[ManifestFinding]:
        for name in ("next", "more", "last", "total", "pages"):
            path = getattr(request.paging, name, None)
            if path is not None and not any(_has_key(body, path) for body in bodies):
                yield _unseen((*loc, "paging"), path)

    def _of_changes(self, loc: Loc, request: ChangesRequest) -> Iterator[ManifestFinding]:
        bodies = self._bodies(request.name)
        if not bodies:
            yield wrong(loc, f"no sample shows a good answer to '{request.name}'")
            return
        named = [*request.records, request.next, request.more, request.removed]
        for path in named:
            if path is not None and not any(_is_there(body, path) for body in bodies):
                yield _unseen(loc, path)
        rows = [row for one in self._samples.good(request.name) for row in one.rows]
        if (request.removed or request.removed_when) and not any(row.gone for row in rows):
            yield wrong(loc, f"no sample of '{request.name}' shows a row that is gone: state gone = true")
        if not any(row.amount is not None for row in rows):
            yield wrong(loc, f"no sample of '{request.name}' shows a row that is new or corrected")

    def _of_token(self) -> Iterator[ManifestFinding]:
        auth: Any = self._manifest.auth
        if not hasattr(auth, "lives_s"):
            return
        bodies = self._bodies("token")
        if not bodies:
            own = isinstance(auth, TokenRequestAuth)
            yield ManifestFinding(
                loc=("auth",), message="no sample shows the answer of the token request", is_note=not own
            )
            return
        if not any(_is_there(body, auth.token) for body in bodies):
            yield _unseen(("auth", "token"), auth.token)
        if auth.expires_at is not None and not any(_is_there(body, auth.expires_at.path) for body in bodies):
            yield _unseen(("auth", "expires_at"), auth.expires_at.path)
        elif auth.expires_at is None and auth.lives and not any(_is_there(body, auth.lives) for body in bodies):
            message = f"no sample shows '{auth.lives}', so that a token is kept for {auth.lives_s} s"
            yield note(("auth", "lives"), message)

    def _of_errors(self) -> Iterator[ManifestFinding]:
        errors = [one for one in self._manifest.samples if one.means is not None]
        for number, rule in enumerate(self._manifest.errors):
            shown = [
                one for one in errors if one.means == rule.means and (not rule.status or one.status in rule.status)
            ]
            if rule.status and set(rule.status) <= _DEFECTS and not (rule.when or rule.text or rule.of):
                message = f"every {rule.status[0]} means {rule.means}, a wrong parameter too: name a code with `when`"
                yield note(("errors", number), message)
            if not shown:
                yield note(("errors", number), f"no sample shows an answer that means {rule.means}")
            bodies = [json.loads(one.answer) for one in shown]
            if rule.retry_after and shown and not any(_is_there(body, rule.retry_after) for body in bodies):
                yield _unseen(("errors", number, "retry_after"), rule.retry_after)

    def _of_webhook(self) -> Iterator[ManifestFinding]:
        webhook = self._manifest.webhook
        if webhook is None:
            return
        bodies = self._bodies("webhook")
        if not bodies:
            message = "no sample shows a webhook, so that nothing compares where it names event, login and account"
            yield note(("webhook",), message)
            return
        for name in ("event", "id", "connection", "account"):
            path = getattr(webhook, name)
            if path is not None and not any(_is_there(body, path) for body in bodies):
                yield _unseen(("webhook", name), path)
        named = {*webhook.refresh, *webhook.needs_user}
        shown = {str(found) for body in bodies if (found := get(body, steps_of(webhook.event))) is not None}
        if shown and not shown & named:
            message = f"samples show the event {', '.join(sorted(shown))}, which neither refresh nor needs_user names"
            yield wrong(("webhook", "refresh"), message)

    def _bodies(self, name: str) -> list[Json]:
        return [json.loads(one.answer) for one in self._samples.good(name)]


def _needed_paths(name: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401 - any value of a field
    """Return the places of which a sample has to show one: those of money, ids and names."""
    if isinstance(value, AmountValue):
        return value.numbers if name in _MONEY else ()
    return paths_of(value) if name in _NEEDED and value is not None else ()


def _unseen(loc: Loc, path: str) -> ManifestFinding:
    return ManifestFinding(loc=loc, message=f"no sample shows a value at '{path}'")


def _is_there(body: Json, path: str) -> bool:
    return get(body, steps_of(path)) is not None


def _has_key(body: Json, path: str) -> bool:
    """Say whether a place is there, also where it holds nothing, as the link of a last page."""
    *way, last = steps_of(path)
    around = get(body, way)
    return last in around if isinstance(around, dict) else get(body, steps_of(path)) is not None


def _has_value(records: Iterable[Json], bodies: Iterable[Json], path: str) -> bool:
    """Say whether a place holds something in any record; what lies outside the answers is checked with the file."""
    if path.startswith("@answer."):
        return any(_is_there(body, path.removeprefix("@answer.")) for body in bodies)
    if path.startswith("@") and not path.startswith("@record."):
        return True
    return any(_is_there(record, path) for record in records)
