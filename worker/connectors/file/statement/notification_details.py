"""Joins the payments of a notification (camt.054) with the entries of a statement that books them in one line. Pure."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

SERVICER = "servicer:"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryReference:
    """What finds an entry of a statement again in a notification.

    Attributes:
        account: Id of the account.
        amount: Signed.
        days: Booking day and value day, as far as they are stated.
        keys: References of the bank (entry, batch, message), each with its kind in front.
    """

    account: str
    amount: Decimal
    currency: str | None
    days: frozenset[date]
    keys: frozenset[str] = field(default_factory=frozenset)

    @property
    def id(self) -> str:
        """The same text for the same entry, in whatever file it stands."""
        facts = [self.account, f"{self.amount.normalize():f}", *sorted(map(str, self.days)), *sorted(self.keys)]
        return f"entry-{hashlib.sha256('|'.join(facts).encode()).hexdigest()[:24]}"

    def says_otherwise(self, other: "EntryReference") -> bool:
        """Return whether both name the bank's own reference of the entry, and not the same."""
        own, others = ({key for key in one.keys if key.startswith(SERVICER)} for one in (self, other))
        return bool(own and others) and not own & others


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedDetails:
    """Which notified payments belong to which entry.

    Attributes:
        of_entry: Id of a statement's entry to the id of the notified entry that lists its payments.
        unmatched: Notified entries that fit none.
        undecided: Notified entries that fit several, or that others fit as well: none of them is joined.
    """

    of_entry: Mapping[str, str] = field(default_factory=dict)
    unmatched: tuple[EntryReference, ...] = ()
    undecided: tuple[EntryReference, ...] = ()


def entries(number: int) -> str:
    """Write how many entries there are."""
    return "1 entry" if number == 1 else f"{number} entries"


def join_details(
    booked: Iterable[Iterable[EntryReference]], notified: Iterable[Iterable[EntryReference]]
) -> JoinedDetails:
    """Find for each notified entry the entry of a statement that books it.

    Account, amount, currency and a day must agree. Among the entries that do, one that shares a reference of the bank
    is taken; without references the one entry that may be meant. Where several may be, none is taken.

    Args:
        booked: For each statement its entries that state no payments.
        notified: For each notification its entries.
    """
    (lines, doubled), (notices, doubled_notices) = _by_id(booked), _by_id(notified)
    by_amount: dict[tuple[str, Decimal], list[EntryReference]] = defaultdict(list)
    for entry in lines.values():
        by_amount[entry.account, entry.amount].append(entry)
    found: dict[str, list[EntryReference]] = defaultdict(list)
    unmatched: list[EntryReference] = []
    undecided: list[EntryReference] = []
    for notice in notices.values():
        fitting = _fitting(notice, by_amount[notice.account, notice.amount])
        if not fitting:
            unmatched.append(notice)
        elif len(fitting) == 1 and fitting[0].id not in doubled and notice.id not in doubled_notices:
            found[fitting[0].id].append(notice)
        else:
            undecided.append(notice)
    undecided += [notice for several in found.values() if len(several) > 1 for notice in several]
    of_entry = {entry: several[0].id for entry, several in found.items() if len(several) == 1}
    return JoinedDetails(of_entry=of_entry, unmatched=tuple(unmatched), undecided=tuple(undecided))


def _by_id(files: Iterable[Iterable[EntryReference]]) -> tuple[dict[str, EntryReference], set[str]]:
    """Return the entries of several files by id, and the ids that one file holds more than once."""
    by_id: dict[str, EntryReference] = {}
    doubled: set[str] = set()
    for entries in files:
        numbers = Counter((entry.id, by_id.setdefault(entry.id, entry)) for entry in entries)
        doubled |= {key for (key, _), number in numbers.items() if number > 1}
    return by_id, doubled


def _fitting(notice: EntryReference, entries: list[EntryReference]) -> list[EntryReference]:
    """Return the entries that a notice may be about."""
    alike = [
        entry
        for entry in entries
        if (not notice.days or not entry.days or notice.days & entry.days)
        and (notice.currency == entry.currency or None in {notice.currency, entry.currency})
        and not notice.says_otherwise(entry)
    ]
    return [entry for entry in alike if entry.keys & notice.keys] or alike
