"""Says month by month which sources cover an account, what proves it, and what would cure a gap. Pure."""

from calendar import month_name, monthrange
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum


class MonthState(StrEnum):
    """What is known of a month, the worst first.

    Attributes:
        MISMATCH: The bank's balance does not follow from the rows.
        CONTRADICTING: Rows of one source are not in another that covers their days too.
        DOUBLED: Rows of two sources that look like one purchase are two expenses.
        MISSING: No source covers a day of it.
        PART: Some of its days are covered.
        COVERED: Every day is covered, and nothing proves the rows.
        PROVEN: Every day is covered, and a balance that the bank states follows from the rows.
    """

    MISMATCH = "mismatch"
    CONTRADICTING = "contradicting"
    DOUBLED = "doubled"
    MISSING = "missing"
    PART = "part"
    COVERED = "covered"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A range of days, both edges included."""

    from_on: date
    to_on: date

    def common(self, other: "Days") -> int:
        """Return how many days are in both."""
        return max(0, (min(self.to_on, other.to_on) - max(self.from_on, other.from_on)).days + 1)


def without(days: Days, gaps: Sequence[Days]) -> list[Days]:
    """Return the parts of a range that are left when gaps, in order of days, are taken out."""
    parts: list[Days] = []
    from_on = days.from_on
    for gap in gaps:
        if from_on < gap.from_on <= days.to_on:
            parts.append(Days(from_on=from_on, to_on=gap.from_on - timedelta(days=1)))
        from_on = max(from_on, gap.to_on + timedelta(days=1))
    return [*parts, Days(from_on=from_on, to_on=days.to_on)] if from_on <= days.to_on else parts


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What is known of one source.

    Attributes:
        days: The ranges of days that it was read for.
        online: A feed that can be asked, and is.
        reach_days: How far back it can be asked; None when its provider states no limit.
        proven: The days that a stated balance proves.
        mismatch: The days in which a balance does not follow from the rows, and by how much.
    """

    id: int
    name: str
    connector_name: str
    days: Sequence[Days] = ()
    online: bool = False
    reach_days: int | None = None
    proven: Days | None = None
    mismatch: Days | None = None
    difference: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthRows:
    """Rows of one month.

    Attributes:
        rows: Of each source, by its id.
        only_in: Rows of a source that another one, which covers their days, does not have.
        differing: Rows of a source that state another amount than the row of the same purchase that has the expense.
        doubled: Pairs of rows of two sources with equal amounts and near days that are two expenses.
    """

    rows: dict[int, int] = field(default_factory=dict)
    only_in: dict[int, int] = field(default_factory=dict)
    doubled: int = 0
    differing: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """The cheapest way to close a gap.

    Attributes:
        action: `refetch` asks a bank for exactly these days; `upload` is for the person.
        source_id: The source to ask.
    """

    action: str
    sentence: str
    from_on: date
    to_on: date
    source_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthCoverage:
    """One month of an account.

    Attributes:
        month: As `2025-03`.
        covered_days: Of `days`, those that at least one source covers.
        sources: Names of the sources that cover any of them.
        says: What is known, for a person.
    """

    month: str
    state: MonthState
    days: int
    covered_days: int
    sources: tuple[str, ...]
    rows: int
    says: tuple[str, ...]
    cure: Cure | None = None


def coverage_by_month(
    sources: Sequence[SourceFacts], rows: dict[str, MonthRows], *, today: date
) -> list[MonthCoverage]:
    """Return every month from the first day that any source covers to today."""
    first_on = min((days.from_on for source in sources for days in source.days), default=None)
    if first_on is None:
        return []
    months = []
    on = first_on.replace(day=1)
    while on <= today:
        end_on = on.replace(day=monthrange(on.year, on.month)[1])
        wanted = Days(from_on=max(on, first_on), to_on=min(end_on, today))
        months.append(_month(on, wanted, sources, rows.get(f"{on:%Y-%m}", MonthRows()), today))
        on = end_on + timedelta(days=1)
    return months


def _month(on: date, wanted: Days, sources: Sequence[SourceFacts], rows: MonthRows, today: date) -> MonthCoverage:
    days = (wanted.to_on - wanted.from_on).days + 1
    covered = _covered(wanted, sources)
    missing = [day for day in _each(wanted) if day not in covered]
    state, says = _state(wanted, len(missing), days, sources, rows)
    names = tuple(source.name for source in sources if any(part.common(wanted) for part in source.days))
    return MonthCoverage(
        month=f"{on:%Y-%m}",
        state=state,
        days=days,
        covered_days=days - len(missing),
        sources=names,
        rows=sum(rows.rows.values()),
        says=says,
        cure=_cure(on, missing, sources, today) if missing else None,
    )


def _state(
    wanted: Days, missing: int, days: int, sources: Sequence[SourceFacts], rows: MonthRows
) -> tuple[MonthState, tuple[str, ...]]:
    """Return the worst that is known of a month, and all of it in words."""
    names = {source.id: source.name for source in sources}
    found = [
        (MonthState.MISMATCH, f"{source.name}: the balance differs by {source.difference}")
        for source in sources
        if source.mismatch is not None and source.mismatch.common(wanted)
    ]
    found += [
        (MonthState.CONTRADICTING, f"{_rows(count)} only in {names.get(source_id, 'another source')}")
        for source_id, count in rows.only_in.items()
        if count
    ]
    found += [
        (MonthState.CONTRADICTING, f"{_rows(count)} of another amount in {names.get(source_id, 'another source')}")
        for source_id, count in rows.differing.items()
        if count
    ]
    if rows.doubled:
        found.append((MonthState.DOUBLED, f"{_rows(rows.doubled)} may be doubled"))
    if missing == days:
        found.append((MonthState.MISSING, "no source covers it"))
    elif missing:
        found.append((MonthState.PART, f"{days - missing} of {days} days are covered"))
    if found:
        order = list(MonthState)
        return min((state for state, _ in found), key=order.index), tuple(sentence for _, sentence in found)
    proven = [source.name for source in sources if source.proven and source.proven.common(wanted) == days]
    if proven:
        return MonthState.PROVEN, (f"proven by balances of {', '.join(proven)}",)
    return MonthState.COVERED, ("covered; no balance proves it",)


def _cure(on: date, missing: Sequence[date], sources: Sequence[SourceFacts], today: date) -> Cure:
    from_on, to_on = missing[0], missing[-1]
    for source in sources:
        reaches = source.reach_days is None or (today - from_on).days <= source.reach_days
        if source.online and reaches:
            return Cure(
                action="refetch",
                sentence=f"{source.name} may still give these days: ask for {from_on} to {to_on}",
                from_on=from_on,
                to_on=to_on,
                source_id=source.id,
            )
    return Cure(
        action="upload",
        sentence=f"upload the statement of {month_name[on.month]} {on.year}",
        from_on=from_on,
        to_on=to_on,
    )


def _covered(wanted: Days, sources: Sequence[SourceFacts]) -> set[date]:
    return {
        day
        for source in sources
        for part in source.days
        if part.common(wanted)
        for day in _each(Days(from_on=max(part.from_on, wanted.from_on), to_on=min(part.to_on, wanted.to_on)))
    }


def _each(days: Days) -> list[date]:
    return [days.from_on + timedelta(days=n) for n in range((days.to_on - days.from_on).days + 1)]


def _rows(count: int) -> str:
    return f"{count} {'row' if count == 1 else 'rows'}"
