"""Runs every check of the conformance kit on a manifest, and those that hold it to the text of its samples."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from worker.connectors.manifest.checking.bank import SampleBank
from worker.connectors.manifest.checking.edges import misplaced_edges
from worker.connectors.manifest.checking.findings import ManifestFinding, written
from worker.connectors.manifest.checking.lists import misread_errors, turned_pages
from worker.connectors.manifest.checking.meanings import Meanings
from worker.connectors.manifest.checking.sample_login import sample_base_url, sample_config
from worker.connectors.manifest.checking.samples import Samples
from worker.connectors.manifest.checking.shown import ShownPlaces
from worker.connectors.manifest.connector import make_connector
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.paging_kinds import LastIdPaging, LastMomentPaging, NumberPaging, OffsetPaging
from worker.connectors.manifest.requests import TransactionsRequest
from worker.connectors.testing.checks import ALL_CHECKS
from worker.connectors.testing.subject import ZONE, Spec, Subject
from worker.money import MINOR_UNITS

OWN_CHECKS: tuple[tuple[str, Callable[[Manifest], Iterator[ManifestFinding]]], ...] = (
    ("samples_show_enough", lambda manifest: Samples(manifest).gaps()),
    ("samples_mean_what_they_state", lambda manifest: Meanings(manifest, make_connector(manifest)).differences()),
    ("samples_show_what_the_manifest_names", lambda manifest: ShownPlaces(manifest).missing()),
    ("pages_are_turned_as_shown", lambda manifest: turned_pages(manifest, sample_base_url(manifest))),
    ("windows_are_asked_for_as_shown", misplaced_edges),
    ("errors_are_what_they_state", misread_errors),
)
"""The checks that hold a manifest to the text of its samples, beside those of the kit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """What came of one check.

    Attributes:
        problems: What is wrong, each with its file and line where there is one; none when it passed.
        notes: What no sample shows, so that nobody knows; no check fails of it.
        skipped: Why it does not apply.
    """

    check: str
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: str | None = None

    @property
    def problem(self) -> str | None:
        """Everything that is wrong as one text, a line each; None when the check passed."""
        return "\n".join(self.problems) or None


def spec_of(manifest: Manifest) -> Spec:
    """Return what the kit has to know of a manifest."""
    manifest = with_small_pages(manifest)
    samples = Samples(manifest)
    return Spec(
        connector=make_connector(manifest),
        config=sample_config(manifest),
        server=lambda ledger: SampleBank(manifest, samples, ledger),
        currencies=currencies_of(manifest),
        known_by_currency=all(one.fields.currency == one.fields.id for one in manifest.accounts),
        zone=manifest.timezone if _has_zones(manifest) else ZONE,
        faults=samples.faults(),
        fault_endpoints=samples.fault_endpoints(),
        own_statuses=_of_accounts(manifest),
        skip=_not_for(manifest),
    )


def run_checks(manifest: Manifest) -> Iterator[CheckOutcome]:
    """Yield the outcome of every check; of the first alone where no bank can be played from the samples.

    Raises: ManifestError when a hook is missing.
    """
    make_connector(manifest)  # a hook that is missing is said before anything is checked
    unreadable = written(manifest, Samples(manifest).unreadable())
    if unreadable:
        yield CheckOutcome(check=OWN_CHECKS[0][0], problems=unreadable)
        return
    for name, find in OWN_CHECKS:
        found = list(find(manifest))
        yield CheckOutcome(check=name, problems=written(manifest, found), notes=written(manifest, found, notes=True))
    spec = spec_of(manifest)
    for check in ALL_CHECKS:
        skipped = check.not_for(spec)
        problem = None if skipped else _problem_of(lambda check=check: _run(check.run, spec))  # type: ignore[misc]  # bound now
        yield CheckOutcome(check=check.name, problems=(problem,) if problem else (), skipped=skipped)


def with_small_pages(manifest: Manifest) -> Manifest:
    """Return the same manifest for a bank with few rows on a page, so that the checks meet its further pages."""

    def smaller(request: TransactionsRequest) -> TransactionsRequest:
        match request.paging:
            case LastMomentPaging() as paging:
                return request.model_copy(update={"paging": paging.model_copy(update={"full_page": _FULL_PAGE})})
            case OffsetPaging() | NumberPaging() | LastIdPaging() as paging if paging.short_page_ends:
                return request.model_copy(update={"paging": paging.model_copy(update={"short_page_ends": _SHORT_PAGE})})
            case _:
                return request

    return manifest.model_copy(update={"transactions": tuple(map(smaller, manifest.transactions))})


_FULL_PAGE, _SHORT_PAGE = 5, 2
"""As many rows as the checks put on a page, and more than they let happen at one moment."""


def currencies_of(manifest: Manifest) -> tuple[str, ...]:
    """Return the currencies of the accounts that the checks play with."""
    declared = manifest.promises.currencies or ("EUR", "JPY", "KWD")
    fixed = {request.fields.amount.decimals for request in manifest.transactions} - {None}
    fitting = tuple(one for one in declared if not fixed or MINOR_UNITS.get(one) in fixed) or declared
    return fitting[:1] if manifest.accounts[0].single else fitting


def _run(check: Callable[[Subject], None], spec: Spec) -> None:
    with tempfile.TemporaryDirectory() as folder:
        check(Subject(spec, Path(folder)))


def _problem_of(check: Callable[[], None]) -> str | None:
    try:
        check()
    except AssertionError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is what the check found
        return f"{type(error).__name__}: {error}"
    return None


def _has_zones(manifest: Manifest) -> bool:
    """Say whether the manifest names zones of its own, so that the bank cannot be played elsewhere."""
    windows = any(request.window.zone for request in manifest.transactions)
    return windows or any(
        getattr(value, "zone", None) for request in manifest.transactions for _, value in request.fields
    )


def _of_accounts(manifest: Manifest) -> frozenset[int]:
    """Return the statuses with which the provider refuses one account, as a rule says and a sample shows."""
    shown = {(one.status, one.means) for one in manifest.samples}
    about_accounts = {one.name for one in (*manifest.balances, *manifest.transactions)}
    return frozenset(
        status
        for rule in manifest.errors
        for status in rule.status
        if rule.means == "account_gone" and rule.of and set(rule.of) <= about_accounts and (status, rule.means) in shown
    )


def _not_for(manifest: Manifest) -> dict[str, str]:
    """Return the checks that say nothing of this manifest, with the reason."""
    if all(request.fields.id is None for request in manifest.transactions):
        return {"ids_are_unique_in_an_account": "there are no ids"}
    if any(request.paging is not None and request.paging.kind == "last_id" for request in manifest.transactions):
        return {"a_row_without_an_id_is_no_defect": "pages are asked for by ids, so that every row has one"}
    return {}
