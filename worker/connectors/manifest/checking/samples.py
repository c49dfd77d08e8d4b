"""The samples of a manifest: their bodies, their records with what these mean, and what is missing from them."""

import copy
import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

import httpx2

from worker.connectors.errors import ConnectorError, InvalidDataError
from worker.connectors.http import ProviderResponse
from worker.connectors.json_answers import read_json
from worker.connectors.manifest.checking.findings import ManifestFinding, of_sample, wrong
from worker.connectors.manifest.checking.templates import RowTemplate
from worker.connectors.manifest.fields import Scene, conditions
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.places import located
from worker.connectors.manifest.records import parts_of, records_of
from worker.connectors.manifest.refusals import MEANINGS, rule_of
from worker.connectors.manifest.requests import ChangesRequest, ListRequest
from worker.connectors.manifest.rules import Sample
from worker.connectors.manifest.values import StatedAccount
from worker.connectors.testing import Server

Json = Any


class Samples:
    """What a manifest shows of its provider."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._requests = manifest.requests

    def good(self, name: str) -> list[Sample]:
        """Return the samples of good answers to a request."""
        return [one for one in self._manifest.samples if one.of == name and one.means is None]

    def body(self, name: str) -> Json:
        """Return the body of the first good answer to a request; an empty object where there is none."""
        found = self.good(name)
        return json.loads(found[0].answer) if found else {}

    def records(self, sample: Sample) -> list[Json]:
        """Return the records of a sample, those of a second list of pending rows last. Raises: InvalidDataError."""
        return self._listed(sample, json.loads(sample.answer))

    def read(self, sample: Sample) -> list[Json]:
        """Return the records of a sample as a connector gets them, with exact numbers. Raises: InvalidDataError."""
        return self._listed(sample, json.loads(sample.answer, parse_float=Decimal))

    def is_of_pending_list(self, sample: Sample, number: int) -> bool:
        """Say whether a record of a sample is of the second list."""
        request = self._requests[sample.of]
        assert isinstance(request, ListRequest)
        return number >= len(_records(request, json.loads(sample.answer), request.records))

    def _listed(self, sample: Sample, body: Json) -> list[Json]:
        request = self._requests[sample.of]
        assert isinstance(request, ListRequest)
        found = _records(request, body, request.records)
        second = getattr(request, "pending_records", None)
        return found + _records(request, body, second) if second else found

    def rows(self, name: str) -> list[RowTemplate]:
        """Return the transactions of a request's samples with their meaning."""
        pairs = [pair for one in self.good(name) for pair in zip(self.records(one), one.rows, strict=False)]
        return [RowTemplate(record=record, stated=stated) for record, stated in pairs]

    def gone(self, request: ChangesRequest) -> Json:
        """Return a record that is gone, as a sample of the changes shows it; an empty one where none does."""
        is_gone = conditions(request.removed_when)
        like = self._manifest.fields_of(request.like)
        for one in self.good(request.name):
            for path in request.records:
                for record in _parts(like, records_of(json.loads(one.answer), path, request.name)):
                    if is_gone(record, Scene()):
                        return record
        return {}

    def account(self, name: str) -> tuple[dict[str, Any], StatedAccount]:
        """Return the first account of a request's samples with its meaning."""
        for one in self.good(name):
            for record, stated in zip(self.records(one), one.accounts, strict=False):
                if not stated.ignored:
                    return copy.deepcopy(record), stated
        raise InvalidDataError(f"no sample of {name} shows an account")

    def next_of(self, name: str) -> bool | str | int | None:
        """Return what leads to the next page in the sample that shows one."""
        return next((one.next for one in self.good(name) if one.next is not None), None)

    @cached_property
    def currency(self) -> str:
        """The currency of the samples."""
        stated = (row.currency for one in self._manifest.samples for row in one.rows)
        of_accounts = (account.currency for one in self._manifest.samples for account in one.accounts)
        return next((found for found in (*stated, *of_accounts) if found), "EUR")

    def faults(self) -> Mapping[str, tuple[Server, type[ConnectorError]]]:
        """Return the provider's own error answers with the error each must become."""
        return {
            name: (_answering(one), type(MEANINGS[str(one.means)].error(""))) for name, one in self._errors().items()
        }

    def fault_endpoints(self) -> Mapping[str, frozenset[str]]:
        """Return of error answers that only some requests have, by the rule that reads them, the names of these."""
        found = {}
        for name, one in self._errors().items():
            rule = rule_of(self._manifest.errors, answer_of(one), one.of)
            if rule is not None and rule.of:
                found[name] = frozenset(rule.of)
        return found

    def _errors(self) -> Mapping[str, Sample]:
        """Return the samples of errors; what means nothing is none to a run, and `errors_are_what_they_state`."""
        return {
            f"{one.of} {one.status} ({one.means}, sample {number + 1})": one
            for number, one in enumerate(self._manifest.samples)
            if one.means not in (None, "nothing")
        }

    def unreadable(self) -> Iterator[ManifestFinding]:
        """Yield why no bank can be played from the samples: a good answer is missing, or its records are not found."""
        for loc, request in located(self._manifest):
            played = (*self._manifest.accounts[:1], *self._manifest.balances, *self._manifest.transactions)
            if request in played and not self.good(request.name):
                yield wrong(loc, f"no sample shows a good answer to '{request.name}'")
        for number, one in enumerate(self._manifest.samples):
            if one.means is None and isinstance(self._requests.get(one.of), ListRequest):
                try:
                    self.records(one)
                except InvalidDataError as error:
                    yield of_sample(number, str(error))

    def gaps(self) -> Iterator[ManifestFinding]:
        """Yield what the samples do not show, so that the checks would say nothing about it."""
        for number, one in enumerate(self._manifest.samples):
            yield from self._uncounted(number, one)
        rows = [row for request in self._manifest.transactions for row in self.rows(request.name)]
        shown = [row for row in rows if not row.stated.ignored]
        if not any(row.is_out for row in shown) or all(row.is_out for row in shown):
            message = "the samples need a row of money out and one of money in, or a wrong sign goes unnoticed"
            yield wrong(("samples",), message)
        can_be_pending = any(one.can_be_pending for one in self._manifest.transactions)
        if can_be_pending and not any(row.stated.pending for row in shown):
            yield wrong(("samples",), "no sample shows a pending row")

    def _uncounted(self, number: int, sample: Sample) -> Iterator[ManifestFinding]:
        request = self._requests.get(sample.of)
        if sample.means is not None or not isinstance(request, ListRequest) or request is self._manifest.parents:
            return
        stated = sample.rows if request in self._manifest.transactions else sample.accounts
        found = len(self.records(sample))
        if found != len(stated):
            key = "rows" if request in self._manifest.transactions else "accounts"
            yield of_sample(number, f"the answer has {found} records, but {key} states {len(stated)}", key)


def _records(request: ListRequest, body: Json, path: str) -> list[Json]:
    """Return the records at a path, or the parts of each where these are the rows."""
    return _parts(request, records_of(body, path, request.name, single=request.single and path == request.records))


def _parts(request: ListRequest, records: list[Json]) -> list[Json]:
    each = getattr(request, "each", None)
    return parts_of(records, each) if each else records


def _answering(sample: Sample) -> Server:
    return lambda _request: httpx2.Response(
        sample.status, content=sample.answer.encode(), headers={"Content-Type": "application/json", **sample.headers}
    )


def answer_of(sample: Sample) -> ProviderResponse:
    """Return a sample as the answer that a connector gets."""
    content = sample.answer.encode()
    return ProviderResponse(
        status=sample.status, headers=httpx2.Headers(sample.headers), content=content, body=read_json(content),
        readable=True,
    )  # fmt: skip
