"""Where a plan is written to, and what writing it touched."""

import uuid
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteTarget:
    """Where a plan is written to."""

    account_id: int
    user_id: int
    run_id: uuid.UUID


@dataclass(slots=True, kw_only=True)
class Written:
    """What was touched.

    Attributes:
        months: The months of expenses (`YYYY-MM`), for FinMind's caches.
        transaction_ids: Ids of the new rows, in the order of the plan's.
    """

    months: set[str] = field(default_factory=set)
    transaction_ids: list[int] = field(default_factory=list)
