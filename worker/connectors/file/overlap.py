"""Says which files tell days of an account twice: they are delivered one after the other. Pure.

The importer compares each with what the ones before it told, as it does with files that are dropped one by one.
"""

from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from worker.connectors.base import Window
from worker.connectors.file.indexed_files import IndexedFile


@dataclass(slots=True)
class FilesTogether:
    """Files that are delivered together: no two of them tell the same days of an account.

    Attributes:
        files: Whole files.
        reopened: Files that were delivered before; only entries whose payments are known now come from them.
    """

    files: list[IndexedFile] = field(default_factory=list)
    reopened: list[IndexedFile] = field(default_factory=list)
    _days: defaultdict[tuple[str, int], list[tuple[date, date]]] = field(default_factory=lambda: defaultdict(list))
    _have_pending: bool = False

    def has_room_for(self, days: Mapping[tuple[str, int], Window], *, has_pending: bool) -> bool:
        """Return whether a file tells none of the days; what was pending in one file may be posted in the next."""
        if (has_pending or self._have_pending) and (self.files or self.reopened):
            return False
        return not any(_overlap(self._days.get(key, []), window) for key, window in days.items())

    def add(self, days: Mapping[tuple[str, int], Window], *, has_pending: bool) -> None:
        """Note the days of a file, of which it tells none yet."""
        self._have_pending |= has_pending
        for key, window in days.items():
            insort(self._days[key], (window.from_on, window.to_on))


def told_apart(
    reopened: Iterable[IndexedFile],
    files: Iterable[IndexedFile],
    account_id: str | None,
    chains: Mapping[str, Mapping[str, int]],
) -> list[FilesTogether]:
    """Return what is delivered together, in the order of the files; at least one delivery.

    Args:
        reopened: Files that were delivered before.
        files: Whole files.
        account_id: The account that is delivered; None for all.
        chains: By account and fingerprint of a file the number of the account that its balances belong to: the days of
            two numbers are not the same.
    """
    deliveries = [FilesTogether()]
    for file, is_reopened in [*((one, True) for one in reopened), *((one, False) for one in files)]:
        accounts = {key: one for key, one in file.summary.accounts.items() if account_id in {None, key}}
        days = {
            (key, chains.get(key, {}).get(file.fingerprint, 0)): Window(from_on=one.first_on, to_on=one.last_on)
            for key, one in accounts.items()
            if one.first_on and one.last_on
        }
        has_pending = any(one.pending for one in accounts.values())
        if not deliveries[-1].has_room_for(days, has_pending=has_pending):
            deliveries.append(FilesTogether())
        deliveries[-1].add(days, has_pending=has_pending)
        (deliveries[-1].reopened if is_reopened else deliveries[-1].files).append(file)
    return deliveries


def _overlap(told: list[tuple[date, date]], window: Window) -> bool:
    """Return whether a range of days has a day of others, which are sorted and have none in common."""
    before = bisect(told, (window.to_on, date.max))
    return before > 0 and told[before - 1][1] >= window.from_on
