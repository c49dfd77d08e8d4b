"""Decides how everything becomes again what an answer replaced; what the user and the bank did since stays.

An answer keeps what it changed: each row of the bank and each expense as it was before, and as the answer left it. A
column that is still as the answer left it gets its former value.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeAlias

from worker.importer.decide.expenses.user_edits import merge_user_edits
from worker.importer.decide.stored_row import ExpenseFields

Image: TypeAlias = Mapping[str, Any]
"""The columns of a row or of an expense, with numbers as text."""

BASE_COLUMNS = ("base_amount", "base_currency", "base_type", "base_notes", "base_spent_on")
"""What was last written from the bank to the expense of a row, in the order of `ExpenseFields`."""

_STANDING = ("state", "expense_state", "twin_id", "transfer_peer_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """A row or an expense that an answer changed.

    Attributes:
        before: As it was; None where the answer wrote it.
        after: As the answer left it; None where the answer deleted it.
    """

    before: Image | None
    after: Image | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerUndo:
    """What is to be written.

    Attributes:
        rows: Columns of rows of the bank, by their ids.
        written: Expenses that are there again, by their ids, whole.
        changed: Expenses that are there, by their ids, whole.
        deleted: Ids of the expenses that the answer had written.
        months: Months (`YYYY-MM`) of expenses that are there again or change.
    """

    rows: Mapping[int, Image] = field(default_factory=dict)
    written: Mapping[int, Image] = field(default_factory=dict)
    changed: Mapping[int, Image] = field(default_factory=dict)
    deleted: frozenset[int] = frozenset()
    months: frozenset[str] = frozenset()


def undo_answer(
    rows: Mapping[int, Replaced],
    expenses: Mapping[int, Replaced],
    rows_now: Mapping[int, Image],
    expenses_now: Mapping[int, Image],
) -> AnswerUndo | None:
    """Return what makes everything as it was before an answer; None where the rows went on to something else since.

    Args:
        rows: The rows of the bank that the answer changed, by their ids.
        expenses: The expenses that it changed, by their ids.
        rows_now: Those rows as they are.
        expenses_now: Those of the expenses that there are.
    """
    if any(not _stands_as_left(change, rows_now.get(id_)) for id_, change in rows.items()):
        return None
    added = {id_ for id_, change in expenses.items() if change.before is None and id_ in expenses_now}
    if any(expenses_now[id_] != expenses[id_].after for id_ in added):
        return None
    rebased = {
        change.before["expense_id"]: (change.before, rows_now[id_])
        for id_, change in rows.items()
        if change.before is not None and _bank_said_more(change, rows_now[id_])
    }
    written, changed = {}, {}
    for id_, change in expenses.items():
        if change.before is None or (change.after is not None and id_ not in expenses_now):
            continue  # the answer wrote it, or the user deleted it since
        if change.after is None:
            written[id_] = _follow_bank(change.before, rebased.get(id_))
        elif (image := _follow_bank(_taken_back(change, expenses_now[id_]), rebased.get(id_))) != expenses_now[id_]:
            changed[id_] = image
    there = {*written, *(expenses_now.keys() - added)}
    return AnswerUndo(
        rows={id_: _row_again(change, rows_now[id_], there) for id_, change in rows.items()},
        written=written,
        changed=changed,
        deleted=frozenset(added),
        months=frozenset(
            str(image["spent_at"])[:7]
            for image in (*written.values(), *changed.values(), *(expenses_now[id_] for id_ in changed))
        ),
    )


def _stands_as_left(change: Replaced, now: Image | None) -> bool:
    """Return whether a row still is what the answer made of it; the user may have deleted its expense."""
    if now is None or change.after is None or change.before is None:
        return False
    return all(now[name] == change.after[name] for name in _STANDING) and now["expense_id"] in (
        None,
        change.after["expense_id"],
    )


def _bank_said_more(change: Replaced, now: Image) -> bool:
    return change.after is not None and any(now[name] != change.after[name] for name in BASE_COLUMNS)


def _row_again(change: Replaced, now: Image, there: set[int]) -> Image:
    """Return the columns of a row as they were; what the bank said since stays, and so do deletions."""
    assert change.before is not None
    assert change.after is not None
    said_more = _bank_said_more(change, now)
    image = {
        name: now[name] if now[name] != change.after[name] or (said_more and name in BASE_COLUMNS) else value
        for name, value in change.before.items()
    }
    expense_id = change.before["expense_id"]
    return image | {"expense_id": expense_id if expense_id in there else None}


def _taken_back(change: Replaced, now: Image) -> Image:
    """Return an expense without what the answer changed in it; what was changed since stays."""
    assert change.before is not None
    assert change.after is not None
    again = {
        name: value
        for name, value in change.before.items()
        if value != change.after[name] and now[name] == change.after[name]
    }
    if now["amount"] != change.after["amount"]:
        again.pop("expense_type", None)  # it follows the amount
    return {**now, **again}


def _follow_bank(image: Image, rebased: tuple[Image, Image] | None) -> Image:
    return image if rebased is None else expense_again(image, *rebased)


def expense_again(image: Image, before: Image, now: Image) -> Image:
    """Return an expense with what the bank said of its row since the answer.

    Args:
        image: The expense.
        before: Its row, with what was last written to the expense then.
        now: The same row now.
    """
    said_before, said_now = (_fields(*(row[name] for name in BASE_COLUMNS)) for row in (before, now))
    current = as_fields(image)
    if said_before is None or said_now is None or current is None:
        return image
    merged = merge_user_edits(said_before, current, said_now).expense
    said = {"currency": merged.currency, "expense_type": merged.expense_type, "notes": merged.notes}
    return {**image, **said, "amount": str(merged.amount), "spent_at": merged.spent_on.isoformat()}


def as_fields(image: Image) -> ExpenseFields | None:
    """Return what an expense says."""
    return _fields(*(image[name] for name in ("amount", "currency", "expense_type", "notes", "spent_at")))


def _fields(amount: str | None, currency: str, expense_type: str, notes: str | None, on: str) -> ExpenseFields | None:
    if amount is None:
        return None
    return ExpenseFields(Decimal(amount), currency, expense_type, notes, date.fromisoformat(on))
