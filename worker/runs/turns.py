"""Whose turn it is among those that are due: first everybody's first run, within the limits. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """How much may be under way at once, for interactive and for scheduled runs apart.

    Attributes:
        ahead: runs published and not yet started.
        per_user: runs published or running for one user.
        per_connector: the same through one connector.
        redispatch_s: a published run that nobody claimed for this long (s) counts as lost on the way.
    """

    ahead: int
    per_user: int
    per_connector: int
    redispatch_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """What runs or is published already.

    Attributes:
        by_user: runs of each user.
        by_connector: runs through each connector.
        published: runs that are published and not yet started.
    """

    by_user: Counter[int]
    by_connector: Counter[str]
    published: int

    def room_for(self, connector_name: str, limits: DispatchLimits) -> int:
        """Return how many more runs may be published through a connector."""
        of_connector = limits.per_connector - self.by_connector[connector_name]
        return max(0, min(of_connector, limits.ahead - self.published))


@dataclass(frozen=True, slots=True, kw_only=True)
class DueCandidate:
    """A run that waits, or a connection that is due. ready_at: since when."""

    user_id: int
    connector_name: str
    ready_at: datetime


AnyCandidate = TypeVar("AnyCandidate", bound=DueCandidate)


def choose(candidates: Iterable[AnyCandidate], under_way: UnderWay, limits: DispatchLimits) -> Sequence[AnyCandidate]:
    """Return those that may be published now, in the order in which they are. candidates: in due order."""
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
