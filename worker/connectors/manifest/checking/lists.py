"""Follows the samples as the connector does: whether lists lead on, in which order they are, and what is an error."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from worker.connectors.errors import AuthenticationError, ConnectorError, InvalidDataError
from worker.connectors.http import ProviderResponse, error_of_status
from worker.connectors.manifest.checking.findings import ManifestFinding, of_sample, wrong
from worker.connectors.manifest.checking.leaves import get, steps_of
from worker.connectors.manifest.checking.samples import Samples, answer_of
from worker.connectors.manifest.fields import Scene, conditions
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.paging import Pager
from worker.connectors.manifest.paging_kinds import HeaderPaging, LastMomentPaging, LinkPaging, Paging, TokenPaging
from worker.connectors.manifest.places import located
from worker.connectors.manifest.records import records_of
from worker.connectors.manifest.refusals import MEANINGS, mark_of, refusal_reader, rule_fits
from worker.connectors.manifest.request_filling import Question
from worker.connectors.manifest.requests import ListRequest, TransactionsRequest
from worker.connectors.manifest.rules import Sample
from worker.connectors.manifest.session import hosts_of

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_TELL_THE_END = ("next", "more", "last", "total", "pages")


def turned_pages(manifest: Manifest, base_url: str) -> Iterator[ManifestFinding]:
    """Yield the samples that lead on although they should not, or do not although they should."""
    samples = Samples(manifest)
    hosts = hosts_of(manifest, base_url)
    for loc, request in located(manifest):
        if not isinstance(request, ListRequest) or not samples.good(request.name):
            continue
        if (
            request.paging is not None
            and _tells_the_end(request.paging)
            and samples.next_of(request.name) is None
            and request in manifest.transactions
        ):
            message = f"no sample of '{request.name}' states with `next` what leads to its next page"
            yield wrong((*loc, "paging"), message)
        for number, sample in enumerate(manifest.samples):
            if sample.of == request.name and sample.means is None:
                yield from _turned(number, sample, request, base_url, hosts)
                if isinstance(request, TransactionsRequest):
                    yield from _ordered(number, sample, request)


def _turned(
    number: int, sample: Sample, request: ListRequest, base_url: str, hosts: frozenset[str]
) -> Iterator[ManifestFinding]:
    if request.paging is None and sample.next is not None:
        yield of_sample(number, f"`next` is stated, but '{request.name}' has no paging", "next")
    if request.paging is None or isinstance(request.paging, LastMomentPaging):
        return
    answer = answer_of(sample)
    question = Question(method=request.method, url=f"{base_url.rstrip('/')}/", endpoint=request.name)
    try:
        records = records_of(answer.body, request.records, request.name, single=request.single)
        following = Pager(request.paging, hosts).after(question, answer, records)
    except InvalidDataError as error:
        yield of_sample(number, str(error))
        return
    by_size = getattr(request.paging, "short_page_ends", None) is not None
    if not (_tells_the_end(request.paging) or (by_size and sample.next is not None)):
        return
    if following is None and sample.next is not None:
        yield of_sample(
            number, f"`next` is stated, but paging finds no further page in it ({_places(request)})", "next"
        )
    elif following is not None and sample.next is None:
        message = f"paging leads on to a further page ({_places(request)}), but no `next` is stated"
        yield of_sample(number, message)
    elif sample.next is not None and sample.next is not True:
        yield from _compared(number, sample, request, answer)


def _compared(number: int, sample: Sample, request: ListRequest, answer: ProviderResponse) -> Iterator[ManifestFinding]:
    paging: Any = request.paging
    if isinstance(paging, HeaderPaging) and answer.headers.get(paging.header) != str(sample.next):
        yield of_sample(number, f"`next` is stated otherwise than the header {paging.header} of the answer", "next")
    if isinstance(paging, TokenPaging | LinkPaging):
        yield from _of_another_kind(number, str(sample.next), paging)
    names = ("next",) if isinstance(paging, TokenPaging | LinkPaging) else ("total", "pages")
    for name in names:
        path = getattr(paging, name, None)
        if path is not None and str(get(answer.body, steps_of(path))) != str(sample.next):
            yield of_sample(
                number, f"`next` is stated otherwise than '{path}' of the answer, which {name} names", "next"
            )


def _of_another_kind(number: int, found: str, paging: TokenPaging | LinkPaging) -> Iterator[ManifestFinding]:
    """Yield that a token is an address, or an address a token."""
    is_address = "://" in found or found.startswith(("/", "?"))
    if isinstance(paging, TokenPaging) and is_address:
        yield of_sample(number, '`next` is an address, but paging takes it for a token: kind = "link"', "next")
    elif isinstance(paging, LinkPaging) and not is_address and "=" not in found:
        yield of_sample(number, '`next` is no address, but paging takes it for one: kind = "token"', "next")


def _tells_the_end(paging: Paging) -> bool:
    """Say whether an answer tells that there is a further page, so that a sample can show it."""
    return paging.kind in {"link_header", "header"} or any(getattr(paging, name, None) for name in _TELL_THE_END)


def _places(request: ListRequest) -> str:
    named = ((name, getattr(request.paging, name, None)) for name in _TELL_THE_END)
    header = getattr(request.paging, "header", "Link")
    return ", ".join(f"{name} = '{path}'" for name, path in named if path) or f"the header {header}"


def _ordered(number: int, sample: Sample, request: TransactionsRequest) -> Iterator[ManifestFinding]:
    """Yield that a list is not in the order that is promised, so that reading would end too early."""
    days = [row.on for row in sample.rows if row.on is not None and not (row.pending or row.ignored)]
    falls, rises = (any(one > two for one, two in pairwise(way)) for way in (days, days[::-1]))
    if request.newest_first and rises:
        yield of_sample(number, "newest_first is promised, but an older row stands before a newer one", "rows")
    moves = request.paging.moves if isinstance(request.paging, LastMomentPaging) else None
    if (moves == "to" and rises) or (moves == "from" and falls):
        yield of_sample(number, f"the rows are not in the order that moves = '{moves}' needs", "rows")


def misread_errors(manifest: Manifest) -> Iterator[ManifestFinding]:
    """Yield rules that take a good answer for an error, and errors that are taken for others."""
    read = refusal_reader(manifest.errors)
    about_accounts = {one.name for one in (*manifest.balances, *manifest.transactions)}
    for number, sample in enumerate(manifest.samples):
        answer = answer_of(sample)
        if sample.means is None:
            for at, rule in enumerate(manifest.errors):
                if rule_fits(rule, answer, sample.of) and conditions(rule.when)(answer.body, Scene()):
                    message = f"the rule for {mark_of(rule)} also fits sample {number + 1} ({sample.of}), which is good"
                    yield wrong(("errors", at), message)
            continue
        account_id = "account" if sample.of in about_accounts else None
        found = read(answer, sample.of, _NOW) or error_of_status(answer, sample.of, _NOW, account_id)
        wanted = MEANINGS[sample.means].error("")
        if not _is_same(found, wanted):
            message = f"means {_named(found)} to a run, stated is {sample.means}: `[[errors]]` says what it means"
            yield of_sample(number, message)


def _is_same(found: ConnectorError | None, wanted: ConnectorError) -> bool:
    if type(found) is not type(wanted):
        return False
    return not isinstance(found, AuthenticationError) or found.reason == getattr(wanted, "reason", None)


def _named(error: ConnectorError | None) -> str:
    if error is None:
        return "nothing wrong"
    made = ((name, meaning.error("")) for name, meaning in MEANINGS.items())
    return " or ".join(name for name, one in made if _is_same(error, one)) or type(error).__name__
