"""The one mechanism of the operator's actions on everything that a filter names.

What an action is done for is counted and said first. After the confirmation each item is done in a transaction of its
own, with a line of its own in the audit; an item that is not as it was any more is left alone.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from sqlalchemy.orm import Session

from worker.api.ops.access import acting_operator
from worker.api.ops.rendering import confirmation, done
from worker.api.services import Services
from worker.audit import record_operation
from worker.errors import ConflictError, NotFoundError

T = TypeVar("T")
BULK_LIMIT = 1000
"""Items that one action is done for; the rest is left for the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkItem(Generic[T]):
    """One row that an action is done for.

    Attributes:
        do: Does it in the transaction of its audit line.
        detail: Further ids for the audit.
    """

    row_id: str
    user_id: int
    do: Callable[[Session], T]
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkAction:
    """What is to be done, and to what.

    Attributes:
        question: How many items there are, and what becomes of them.
        command: Its name in the audit.
        table: The table of the items.
        back: The page that the operator came from.
        fields: What the confirmed form sends again.
    """

    question: str
    button: str
    command: str
    table: str
    items: Sequence[BulkItem[Any]]
    back: str
    fields: Mapping[str, str] = field(default_factory=dict)


def ask_or_do(request: Request, services: Services, name: str, action: BulkAction, *, confirmed: bool) -> Response:
    """Ask whether to do it, or do it for each item and lead back with how many were done and left alone."""
    if not confirmed:
        return confirmation(
            request,
            question=action.question,
            button=action.button if action.items else None,
            fields=dict(action.fields),
            back=action.back,
        )
    count = 0
    for item in action.items:
        with suppress(ConflictError, NotFoundError):  # it ended, was removed or something else waits since the question
            do_audited(services, name, action.command, action.table, item)
            count += 1
    return done(action.back, "bulk", did=count, left=len(action.items) - count)


def do_audited(services: Services, name: str, command: str, table: str, item: BulkItem[T]) -> T:
    """Do it for one item, with its line in the audit, in one transaction. Raises: what the action raises."""
    with acting_operator(services, name) as session:
        record_operation(session, command, table=table, row_id=item.row_id, user_id=item.user_id, **dict(item.detail))
        return item.do(session)


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def left_alone(left_out: Mapping[str, int]) -> str:
    """Return a sentence about the items that an action is not done for, empty without any."""
    return f" Left alone: {', '.join(f'{count} {reason}' for reason, count in left_out.items())}." if left_out else ""
