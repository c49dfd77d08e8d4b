"""Derives the status and the code of accounts and runs from errors and counts. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from worker.connectors.errors import ProviderUnavailableError, RateLimitError
from worker.errors import KeyProviderUnavailableError, WorkerError
from worker.importer import run_messages
from worker.importer.decide.balances.proof import BalanceProof
from worker.importer.decide.balances.running import RowWithBalance
from worker.importer.decide.expenses.from_line import MAX_NOTES
from worker.importer.decide.plan import Plan
from worker.importer.decide.reasons import Decision
from worker.runs.providers.rate_limit_wait import defer_s
from worker.runs.states import Counts, Outcome, RunStatus

UNACCOUNTED = "unaccounted"
"""The code of a run or account whose delivered rows are not all accounted for: a defect of the importer."""


# The docstrings of these errors are their messages: a person reads them in the run.
class SimilarAccountError(WorkerError):
    """This account may be another one of yours: say whether it is; nothing of it is imported before."""

    code = "similar_account"


class NewAccountError(WorkerError):
    """This account is new and waits, as `new_accounts` says: include it, or leave it out."""

    code = "new_account"


class SignsFlippedError(WorkerError):
    """Every amount of the account has the opposite sign now: say whether it is inverted, or wait for the bank."""

    code = "signs_flipped"


class RowsToldAgainError(WorkerError):
    """Rows equal known ones, and are those or more purchases: the next run reads everything again and counts them."""

    code = "rows_told_again"


class UnknownRowsError(WorkerError):
    """No row of the account's days is told: the rows may be those of another account."""

    code = "unknown_rows"


@dataclass(frozen=True, slots=True)
class StandingRejections:
    """How many rejected rows of an account stand.

    Attributes:
        open: They keep the account from success.
        dismissed: A person left them out.
    """

    open: int = 0
    dismissed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtfulRows:
    """How many rows of an account may not be as the ledger has them.

    Attributes:
        withdrawn: Posted rows that stand, although deliveries which cover their days come without them and no balance
            or answer of the user says that they are right; and those whose expense the user deleted that may be told
            as another row.
        still_pending: Rows about which the user is asked whether they are pending still.
        in_assumed_currency: Rows with an expense in a currency that was assumed, of days that the bank gives no more.
        told_again: Rows of this run that are known ones or more equal purchases.
    """

    withdrawn: int = 0
    still_pending: int = 0
    in_assumed_currency: int = 0
    told_again: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountResult:
    """The result of a run for one account, or for the connection itself where there is no account.

    Attributes:
        status: succeeded, partial or failed.
    """

    account_id: int | None
    status: str
    code: str
    message: str | None = None
    counts: Counts = field(default_factory=Counts)


@dataclass(slots=True, kw_only=True)
class AccountTally:
    """What importing the delivery did to the account, for the run's report.

    Attributes:
        months: Months (`YYYY-MM`) whose expenses changed.
        late_days: By how many days new rows lay before the watermark, at most.
        reached_from_on: The first day that the bank still gives, where it was asked for older ones; None where it gave
            all that it was asked for.
        told_from_on: The day of the oldest posted row that the run was told of the account so far; None without any.
        newly_absent: Known rows that the delivery came without for the first time.
        out_of_reach: Known posted rows of the days before.
        lost_to_on: The day of the youngest of them; None without any.
        rows_with_balance: The delivered rows that state the balance after them.
        told_again: Rows without an id that a list of changes told alone, and that equal known ones: nothing but the
            whole list, or a balance, says whether they are those or more equal purchases.
        not_compared: New rows that were not compared with all rows that they may replace.
    """

    counts: Counts = field(default_factory=Counts)
    months: set[str] = field(default_factory=set)
    warnings: set[str] = field(default_factory=set)
    late_days: int = 0
    reached_from_on: date | None = None
    told_from_on: date | None = None
    newly_absent: int = 0
    out_of_reach: int = 0
    lost_to_on: date | None = None
    rows_with_balance: list[RowWithBalance] = field(default_factory=list)
    told_again: int = 0
    not_compared: int = 0

    def add(self, plan: Plan, same: int, watermark_on: date | None) -> None:
        """Count what a slice decided, how late its new rows came, and what had to be rounded or shortened.

        Args:
            same: Rows that needed no decision: unchanged, repeated or superseded ones.
            watermark_on: How far the account was read before.
        """
        linked = sum(create.decision == Decision.LINKED for create in plan.creates)
        removed = sum(change.decision == Decision.REMOVED for change in plan.changes)
        delivered_changes = sum(change.line is not None for change in plan.changes)
        unchanged = len(plan.unchanged) + same
        self.not_compared += plan.not_compared
        self.newly_absent += len(plan.newly_absent)
        self.out_of_reach += len(plan.out_of_reach)
        for row in plan.out_of_reach:
            self.lost_to_on = max(self.lost_to_on or row.days.day, row.days.day)
        self.told_again += plan.told_again
        self.counts += Counts(
            created=len(plan.creates) - linked,
            linked=linked,
            updated=len(plan.changes) - removed,
            removed=removed,
            unchanged=unchanged,
            suggested=len(plan.suggestions),
            accounted=len(plan.creates) + delivered_changes + unchanged,
        )
        for create in plan.creates:
            line = create.line
            if watermark_on and line.stated_on and not line.pending and line.stated_on < watermark_on:
                self.late_days = max(self.late_days, (watermark_on - line.stated_on).days)
            if create.expense is not None and create.expense.amount != abs(line.amount):
                self.warnings.add("amounts_rounded")
            if len(line.description) > MAX_NOTES:
                self.warnings.add("notes_shortened")


def judge_account(
    counted: AccountResult,
    *,
    rejections: StandingRejections,
    doubtful: DoubtfulRows,
    proof: BalanceProof,
    mismatch_before: str | None = None,
) -> AccountResult:
    """Return the result of a fully imported account; it succeeds only if its ledger agrees with the bank.

    Args:
        counted: The account with its counts, as the deliveries left it.
        rejections: Rows of this or an earlier run that could not be imported and are not mended.
        doubtful: Rows that may not be as the ledger has them.
        mismatch_before: What an earlier run said of a balance that did not fit.
    """
    if counted.status != "succeeded":
        return counted
    code, message = next(
        _problems(counted.counts, rejections.open, doubtful, proof, mismatch_before),
        (counted.code, counted.message),
    )
    if code != counted.code:
        return replace(counted, status="partial", code=code, message=message)
    left_out = rejections.dismissed
    return replace(counted, message=run_messages.left_out(left_out)) if left_out else counted


def _problems(
    counts: Counts,
    open_rejections: int,
    doubtful: DoubtfulRows,
    proof: BalanceProof,
    mismatch_before: str | None,
) -> Iterator[tuple[str, str | None]]:
    """Yield codes and sentences of what keeps an account from success, the most telling one first."""
    if counts.delivered != counts.accounted:
        yield UNACCOUNTED, run_messages.unaccounted(counts)
    if doubtful.told_again and proof.result == "unproven":
        # It comes before what a person can answer, which would end it.
        yield "rows_told_again", run_messages.told_again(doubtful.told_again)
    if open_rejections:
        yield "rows_rejected", run_messages.rejected(open_rejections)
    if proof.result == "mismatch":
        yield "balance_mismatch", run_messages.mismatch(proof)
    if mismatch_before is not None and proof.says_nothing:
        yield "balance_mismatch", mismatch_before
    for code, rows, message_of in (
        ("rows_withdrawn", doubtful.withdrawn, run_messages.withdrawn),
        ("still_pending", doubtful.still_pending, run_messages.still_pending),
        ("currency_was_assumed", doubtful.in_assumed_currency, run_messages.in_assumed_currency),
    ):
        if rows:
            yield code, message_of(rows)


def stops_connection(error: WorkerError) -> bool:
    """Say whether an error of one account makes it pointless to go on with the others.

    An account that needs a log-in of its own fails alone. A log-in for the whole connection is asked for before that.
    """
    if isinstance(error, ProviderUnavailableError):
        return error.everyone
    return isinstance(error, (RateLimitError, KeyProviderUnavailableError))


def outcome_of(
    results: Sequence[AccountResult],
    stopped_by: WorkerError | None,
    now: datetime,
    report: dict[str, Any],
    *,
    elsewhere: Counts | None = None,
    problem: AccountResult | None = None,
) -> Outcome:
    """Sum up a run. Deferred when waiting helps; partial when something is missing; succeeded only when nothing is.

    Args:
        stopped_by: The error that ended the run before all accounts were read.
        report: Named remarks of the run.
        elsewhere: Delivered rows that belong to no account of the run.
        problem: What is wrong with the connection itself.
    """
    counts = elsewhere or Counts()
    for result in results:
        counts = counts + result.counts
    wait_s = None if stopped_by is None else defer_s(stopped_by, now)
    if stopped_by is not None and wait_s is not None:
        return Outcome(
            status=RunStatus.DEFERRED,
            code=stopped_by.code,
            message=str(stopped_by),
            defer_s=wait_s,
            counts=counts,
            report=report,
        )
    bad = [result for result in results if result.status != "succeeded"]
    if stopped_by is not None or bad or problem is not None or counts.delivered != counts.accounted:
        code, message = _failure_of([*bad, *([problem] if problem is not None else [])], stopped_by, counts)
        good = len(results) - len([result for result in bad if result.status == "failed"])
        failed = not good and (stopped_by is not None or bool(bad))
        status = RunStatus.FAILED if failed else RunStatus.PARTIAL
        return Outcome(status=status, code=code, message=message, counts=counts, report=report)
    moved = counts.created + counts.updated + counts.linked + counts.removed
    return Outcome(status=RunStatus.SUCCEEDED, code="ok" if moved else "nothing_new", counts=counts, report=report)


def _failure_of(bad: Sequence[AccountResult], stopped_by: WorkerError | None, counts: Counts) -> tuple[str, str | None]:
    """Return code and message of an unsuccessful run; several different codes become `account_failed`."""
    if stopped_by is not None:
        return stopped_by.code, str(stopped_by)
    if counts.delivered != counts.accounted:
        return UNACCOUNTED, run_messages.unaccounted(counts)
    codes = {result.code for result in bad}
    message = run_messages.of_accounts((result.account_id, result.message or result.code) for result in bad)
    return (codes.pop() if len(codes) == 1 else "account_failed"), message
