"""A bank that is played from a manifest's samples and a ledger: it answers in the provider's dialect, page by page."""

import copy
import json
from typing import Any
from zoneinfo import ZoneInfo

import httpx2

from worker.connectors.manifest.checking.answers import paged, with_pending
from worker.connectors.manifest.checking.leaves import Zones, get, places_of, put, steps_of
from worker.connectors.manifest.checking.questions import AskedRequest, asked_days, flat, understand
from worker.connectors.manifest.checking.sample_login import SampleLogin, sample_base_url
from worker.connectors.manifest.checking.samples import Samples
from worker.connectors.manifest.checking.templates import choose, write_account, write_balance, write_gone, write_row
from worker.connectors.manifest.fields import Scene, conditions
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.paging_kinds import LastMomentPaging
from worker.connectors.manifest.records import AROUND
from worker.connectors.manifest.requests import (
    AccountsRequest,
    BalancesRequest,
    ChangesRequest,
    ListRequest,
    TransactionsRequest,
)
from worker.connectors.manifest.values import AmountValue
from worker.connectors.testing import Entry, Ledger, LedgerAccount

Json = Any


class SampleBank:
    """Plays the provider of a manifest for the conformance kit."""

    def __init__(self, manifest: Manifest, samples: Samples, ledger: Ledger) -> None:
        self._manifest = manifest
        self._samples = samples
        self._ledger = ledger
        self._login = SampleLogin(manifest, self._zones, lambda: ledger.now)
        self._base_url = sample_base_url(manifest)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        if self._login.asks_for_a_token(request):
            return _json(self._login.token(self._samples.body("token") or {}))
        if not self._login.lets_in(request):
            return httpx2.Response(401, json={})
        asked = understand(self._manifest, self._base_url, request, _body(request))
        if asked is None:
            return httpx2.Response(404, json={"message": f"nothing is described at {request.url.path}"})
        return self._answer(asked)

    def _answer(self, asked: AskedRequest) -> httpx2.Response:
        body = self._samples.body(asked.request.name)
        match asked.request:
            case AccountsRequest() as request:
                return paged(request, asked, body, self._accounts(request), self._ledger.page_size, None)
            case BalancesRequest() as request:
                return _json(self._balances(request, asked, body))
            case TransactionsRequest() as request:
                return self._transactions(request, asked, body)
            case ChangesRequest() as request:
                return _json(self._changes(request, asked, body))
            case ListRequest() as request:
                return _json(self._first_only(request, body))
            case _:
                return _json(body)

    def _first_only(self, request: ListRequest, body: Json) -> Json:
        records = get(body, steps_of(request.records))
        if isinstance(records, list):
            return _with_records(body, request.records, records[:1])
        return body

    def _accounts(self, request: AccountsRequest) -> list[Json]:
        if request is not self._manifest.accounts[0]:
            return []
        sample = self._samples.account(request.name)
        booked = request.fields.booked or request.fields.available
        held = self._ledger.accounts[:1] if request.single else self._ledger.accounts
        declared = request.fields.currency
        return [write_account(sample, one, self._ledger.balance(one.id), booked, declared) for one in held]

    def _balances(self, request: BalancesRequest, asked: AskedRequest, body: Json) -> Json:
        sample = self._samples.account(request.name)
        wanted = asked.values.get("account")
        booked = request.fields.booked or request.fields.available
        held = [one for one in self._ledger.accounts if wanted in (None, one.id)]
        if wanted is None and request.fields.account is not None:
            declared = request.fields.currency
            rows = [write_account(sample, one, self._ledger.balance(one.id), booked, declared) for one in held]
            return _with_records(body, request.records, rows)
        written = copy.deepcopy(body)
        for one in held[:1]:
            found = get(written, steps_of(request.records)) if request.records else written
            is_meant = conditions(request.where)
            records = [record for record in found if is_meant(record, Scene())] if isinstance(found, list) else [found]
            self._write_own_balance((records or found)[0], sample[1], one, booked)
        return written

    def _write_own_balance(self, body: Json, stated: Any, account: LedgerAccount, booked: AmountValue | None) -> None:  # noqa: ANN401 - a stated account
        currency = stated.currency or account.currency
        write_balance(body, stated, currency, account.currency, self._ledger.balance(account.id), booked)

    def _transactions(self, request: TransactionsRequest, asked: AskedRequest, body: Json) -> httpx2.Response:
        days = asked_days(asked, request, self._ledger.zone).cut(self._manifest.promises.window_days)
        wanted = asked.values.get("account")
        templates = self._samples.rows(request.name)
        found = [
            (entry, template)
            for entry in self._ledger.entries(wanted)
            if (entry.pending or days.holds(entry)) and (template := choose(templates, entry)) is not None
        ]
        currency = self._samples.currency
        if request.newest_first or isinstance(request.paging, LastMomentPaging):
            oldest_first = isinstance(request.paging, LastMomentPaging) and request.paging.moves == "from"
            found.sort(key=lambda pair: pair[0].booked_at or pair[0].made_at, reverse=not oldest_first)
        second = request.pending_records
        written = [
            (entry.pending, self._own(write_row(template, entry, request.fields, self._zones, currency), entry))
            for entry, template in found
        ]
        written = [(pending, _around(row, request.each)) for pending, row in written]
        rows = [row for pending, row in written if not (pending and second is not None)]
        answer = paged(request, asked, body, rows, self._ledger.page_size, self._samples.next_of(request.name))
        if second is None:
            return answer
        return with_pending(answer, second, [row for pending, row in written if pending])

    def _own(self, row: Json, entry: Entry) -> Json:
        """Put the id of an entry's account where the sample's row names its own account."""
        shown = self._samples.account(self._manifest.accounts[0].name)[1].id
        for steps in places_of(row, shown):
            put(row, steps, entry.account_id)
        return row

    def _changes(self, request: ChangesRequest, asked: AskedRequest, body: Json) -> Json:
        start, newest = int(asked.param(request.param) or 0), len(self._ledger.history)
        until = newest if request.more is None else min(start + self._ledger.page_size, newest)
        wanted = asked.values.get("account")
        page = [one for one in self._ledger.history[start:until] if wanted in (None, one.entry.account_id)]
        like = self._manifest.fields_of(request.like)
        templates, fields = self._samples.rows(request.like), like.fields
        written = copy.deepcopy(body)
        for path in request.records:
            put(written, steps_of(path), [])
        rows = [
            write_row(template, change.entry, fields, self._zones, self._samples.currency)
            for change in page
            if change.kind != "removed" and (template := choose(templates, change.entry)) is not None
        ]
        if request.removed_when:
            removed = [change.entry for change in page if change.kind == "removed"]
            rows += [write_gone(self._samples.gone(request), entry, fields) for entry in removed]
        put(written, steps_of(request.records[0]), [_around(row, like.each) for row in rows])
        if request.removed is not None:
            gone = [self._gone(request, change.entry) for change in page if change.kind == "removed"]
            put(written, steps_of(request.removed), gone)
        counted = isinstance(get(body, steps_of(request.next)), int)
        put(written, steps_of(request.next), until if counted else str(until))
        if request.more is not None:
            put(written, steps_of(request.more), until < newest)
        return written

    @staticmethod
    def _gone(request: ChangesRequest, entry: Entry) -> Json:
        if request.removed_id is None:
            return entry.id
        found: dict[str, Any] = {}
        put(found, steps_of(request.removed_id), entry.id)
        return found

    @property
    def _zones(self) -> Zones:
        return Zones(bank=self._ledger.zone, samples=ZoneInfo(self._manifest.timezone))


def _with_records(body: Json, path: str, records: list[Json]) -> Json:
    if not path:
        return records
    written = copy.deepcopy(body)
    put(written, steps_of(path), records)
    return written


def _around(row: Json, each: str | None) -> Json:
    """Put a row back into the record around it, where the rows are parts of records."""
    if each is None or AROUND not in row:
        return row
    whole = copy.deepcopy(row[AROUND])
    put(whole, steps_of(each), [{name: value for name, value in row.items() if name != AROUND}])
    return whole


def _body(request: httpx2.Request) -> dict[str, str]:
    try:
        found = json.loads(request.content) if request.content else {}
    except ValueError:
        return dict(httpx2.QueryParams(request.content.decode()))
    return flat(found) if isinstance(found, dict) else {}


def _json(body: Json) -> httpx2.Response:
    return httpx2.Response(200, json=body)
