"""Decides which reports of a CAMT.052 file repeat the entries of earlier reports, as far as the file shows it. Pure.

Some banks tell all entries of the day so far in each report, others only the new ones. Two equal entries in two
reports are then one payment, or two.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Literal

from worker.connectors.file.repeated_statements import keep_fullest, row_digest
from worker.connectors.file.statement.errors import Doubt, StatementError
from worker.connectors.file.statement.events import Closed, Event, Opened, Row, day_of

Reports = Literal["new", "so_far"]

_QUESTION = "Does each report repeat the entries so far (so_far), or tell new entries only (new)?"


@dataclass(slots=True)
class _Report:
    """One report: its rows by digest, what each is worth when it is booked, and the days of its rows."""

    number: int
    line: int
    rows: Counter[bytes] = field(default_factory=Counter)
    booked: dict[bytes, tuple[date | None, Decimal]] = field(default_factory=dict)
    references: dict[bytes, str] = field(default_factory=dict)
    days: set[date | None] = field(default_factory=set)

    def add(self, event: Row) -> None:
        row, key = event.transaction, row_digest(event.transaction)
        self.rows[key] += 1
        self.days.add(day_of(row))
        if not row.pending:
            self.booked[key] = day_of(row), row.amount
        if reference := (row.raw or {}).get("AcctSvcrRef"):
            self.references[key] = reference

    def worth(self, rows: Counter[bytes]) -> Decimal:
        """Return what some of its rows moved."""
        return sum((self.booked[key][1] * n for key, n in rows.items() if key in self.booked), Decimal(0))


@dataclass(slots=True)
class _Account:
    """The reports of one account so far.

    Attributes:
        earlier: Of equal rows as many as the fullest report holds.
        by_day: The booked ones of them, by day.
        used: The row that each reference of the bank stands for; None where it stands for several.
    """

    earlier: Counter[bytes] = field(default_factory=Counter)
    by_day: defaultdict[date | None, Counter[bytes]] = field(default_factory=lambda: defaultdict(Counter))
    used: dict[str, bytes | None] = field(default_factory=dict)
    last: Closed | None = None

    def judge(self, report: _Report, closed: Closed) -> Reports | None:
        """Return what a report that holds rows of earlier ones shows; None for nothing."""
        common = report.rows & self.earlier
        lacks = any(self._lacks(report, day) for day in report.days & self.by_day.keys())
        if not common:
            return "new" if lacks else None
        return (
            self._by_balances(report, closed)
            or _by_period(self.last, closed)
            or self._by_rows(report, common, lacks=lacks)
        )

    def _lacks(self, report: _Report, day: date | None) -> bool:
        return any(n > report.rows[key] for key, n in self.by_day[day].items())

    def keep(self, report: _Report, closed: Closed) -> None:
        keep_fullest(self.earlier, report.rows)
        for key, (day, _) in report.booked.items():
            keep_fullest(self.by_day[day], {key: report.rows[key]})
        self._use(report)
        self.last = closed

    def _use(self, report: _Report) -> None:
        for key, reference in report.references.items():
            self.used[reference] = key if self.used.get(reference, key) == key else None

    def _by_balances(self, report: _Report, closed: Closed) -> Reports | None:
        before = self.last
        if before is None or before.closing is None:
            return None
        if before.opening and closed.opening and before.opening.amount != before.closing.amount:
            if closed.opening.amount == before.closing.amount:
                return "new"
            if closed.opening.amount == before.opening.amount:
                return "so_far"
        if closed.closing is None:
            return None
        moved = closed.closing.amount - before.closing.amount
        new = Counter({key: n - self.earlier[key] for key, n in report.rows.items() if n > self.earlier[key]})
        whole, rest = report.worth(report.rows), report.worth(new)
        if whole == rest or moved not in {whole, rest}:
            return None
        return "new" if moved == whole else "so_far"

    def _by_rows(self, report: _Report, common: Counter[bytes], *, lacks: bool) -> Reports | None:
        self._use(report)
        if any(self.used.get(report.references.get(key, "")) == key for key in common):
            return "so_far"
        if lacks:
            return "new" if len(common) == 1 else None
        # several different entries do not all happen twice; a pending one is told until it is booked
        return "so_far" if len(common) > 1 or not common.keys() & report.booked.keys() else None


def _by_period(before: Closed | None, closed: Closed) -> Reports | None:
    """Return what the moments show between which a report, and the one before it, tell entries."""
    if before is None or before.moments is None or closed.moments is None:
        return None
    (first_from, first_to), (then_from, then_to) = before.moments, closed.moments
    if first_to <= then_from:
        return "new"
    return "so_far" if first_from == then_from and first_to < then_to else None


def repeating_reports(events: Iterable[Event], stated: Reports | None) -> frozenset[int]:
    """Return the numbers, from 0, of the reports that repeat entries of earlier ones of their account.

    Balances show it, else the moments between which reports tell entries, else the bank's references, else the
    entries: a report of the same day that lacks an earlier entry, and holds one again, tells new ones only. A report of
    which nothing is shown is taken as all others of the file.

    Args:
        stated: What a person says of all reports.

    Raises: StatementError with a question where equal entries may be one payment or two.
    """
    accounts: defaultdict[str, _Account] = defaultdict(_Account)
    verdicts: dict[int, Reports] = {}
    unclear: dict[int, int] = {}
    for account, report, closed in _reports(events):
        known = accounts[account]
        shares = bool(report.rows & known.earlier)
        verdict = known.judge(report, closed) if stated is None or not shares else stated
        if verdict is not None:
            verdicts[report.number] = verdict
        elif shares:
            unclear[report.number] = report.line
        known.keep(report, closed)
    habits = set(verdicts.values())
    if unclear and len(habits) != 1:
        reason = (
            "a report holds entries equal to those of an earlier one, and nothing shows whether it repeats them or"
            " tells new ones: state --reports so_far or new"
        )
        doubt = Doubt(field="reports", text=_QUESTION, choices=("so_far", "new"))
        raise StatementError(reason, line=next(iter(unclear.values())), doubts=(doubt,))
    verdicts |= dict.fromkeys(unclear, next(iter(habits), "new"))
    return frozenset(number for number, verdict in verdicts.items() if verdict == "so_far")


def _reports(events: Iterable[Event]) -> Iterator[tuple[str, _Report, Closed]]:
    """Yield each report of a file with its account and its end."""
    report, number = _Report(0, 1), -1
    for event in events:
        if isinstance(event, Opened):
            number += 1
            report = _Report(number, event.line)
        elif isinstance(event, Row):
            report.add(event)
        elif isinstance(event, Closed):
            yield event.account, report, event
