"""Chooses fairly among due runs: the first run of every user before the second of any, within the limits. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

PUBLISHED_AHEAD = 500
"""Runs published ahead of the workers, at most, for waiting people and for the schedule each."""

REDISPATCH_LEASES = 1.5
"""A published run that nobody claimed is published again after so many times the lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """How many runs may be under way at once; interactive and scheduled runs are limited separately.

    Attributes:
        ahead: Runs that are published and not yet started.
        per_user: Runs of one user that are published or running.
        per_connector: Runs of one connector that are published or running.
        redispatch_s: A published run that was not claimed for this long (s) is published again.
    """

    ahead: int
    per_user: int
    per_connector: int
    redispatch_s: float

    @classmethod
    def of(cls, *, per_user: int, per_connector: int, lease_s: float) -> "DispatchLimits":
        """Return the limits of a deployment.

        Args:
            per_user: Runs of one user that may be published or running.
            per_connector: Runs of one connector that may be published or running.
            lease_s: How long a worker holds a run without renewing its lease (s).
        """
        return cls(
            ahead=PUBLISHED_AHEAD,
            per_user=per_user,
            per_connector=per_connector,
            redispatch_s=REDISPATCH_LEASES * lease_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """The runs that are published or running.

    Attributes:
        by_user: Number of runs by user.
        by_connector: Number of runs by connector.
        published: Number of runs that are published and not yet started.
    """

    by_user: Counter[int]
    by_connector: Counter[str]
    published: int

    def beside(self, more: Collection["DueCandidate"]) -> "UnderWay":
        """Return what is under way once these are published as well."""
        return UnderWay(
            by_user=self.by_user + Counter(one.user_id for one in more),
            by_connector=self.by_connector + Counter(one.connector_name for one in more),
            published=self.published + len(more),
        )

    def full_users(self, limits: DispatchLimits) -> list[int]:
        """Return the users without a free place."""
        return [user_id for user_id, runs in self.by_user.items() if runs >= limits.per_user]

    def full_connectors(self, limits: DispatchLimits) -> list[str]:
        """Return the connectors without a free place."""
        return [name for name, runs in self.by_connector.items() if runs >= limits.per_connector]

    def is_at_a_limit(self, limits: DispatchLimits) -> bool:
        """Say whether no more runs may be published, at least through one connector."""
        return self.published >= limits.ahead or bool(self.full_connectors(limits))


@dataclass(frozen=True, slots=True, kw_only=True)
class DueCandidate:
    """A waiting run or a due connection.

    Attributes:
        ready_at: Since when it is due.
    """

    user_id: int
    connector_name: str
    ready_at: datetime


AnyCandidate = TypeVar("AnyCandidate", bound=DueCandidate)


def choose(candidates: Iterable[AnyCandidate], under_way: UnderWay, limits: DispatchLimits) -> Sequence[AnyCandidate]:
    """Return the candidates that may be published now, in the order of publishing.

    Args:
        candidates: Candidates in due order.
    """
    of_user, of_connector = under_way.by_user.copy(), under_way.by_connector.copy()
    placed: list[tuple[int, AnyCandidate]] = []
    for candidate in candidates:
        of_user[candidate.user_id] += 1
        turn = of_user[candidate.user_id]
        if turn <= limits.per_user:
            placed.append((turn, candidate))
    placed.sort(key=lambda one: (one[0], one[1].ready_at))
    chosen: list[AnyCandidate] = []
    for _turn, candidate in placed:
        if len(chosen) >= limits.ahead - under_way.published:
            break
        if of_connector[candidate.connector_name] < limits.per_connector:
            of_connector[candidate.connector_name] += 1
            chosen.append(candidate)
    return chosen
