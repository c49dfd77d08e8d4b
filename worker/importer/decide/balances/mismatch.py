"""Explains a balance that does not follow from the rows, and says where a difference proves nothing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from worker.importer.decide.balances.proof import BalanceProof, Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedRow:
    """A row that may explain a mismatch.

    Attributes:
        alike: A key that is equal for rows of the same day, amount and text.
    """

    id: int
    amount: Decimal
    alike: bytes
    removed: bool = False


def without_rows(proof: BalanceProof) -> BalanceProof:
    """Return the proof for an account whose balance changes without rows, where nothing explains the difference."""
    if proof.difference is None or proof.explanation is not None:
        return proof
    return BalanceProof(result="unproven", reason="changes_without_rows", balance_on=proof.balance_on)


def explain(difference: Decimal, rows: Sequence[PostedRow]) -> Explanation | None:
    """Return what would explain a difference exactly: one row doubled, removed or of the wrong sign, or all signs."""
    posted = [row for row in rows if not row.removed]
    copies = Counter(row.alike for row in posted)
    doubled = [row for row in posted if copies[row.alike] > 1 and row.amount == -difference]
    if doubled:
        return Explanation(code="row_doubled", transaction_ids=tuple(row.id for row in doubled))
    removed = [row.id for row in rows if row.removed and row.amount == difference]
    if removed:
        return Explanation(code="row_removed", transaction_ids=tuple(removed))
    flipped = [row.id for row in posted if row.amount * -2 == difference]
    if len(flipped) == 1:
        return Explanation(code="sign_of_one_row", transaction_ids=tuple(flipped))
    if len(posted) > 1 and sum(row.amount for row in posted) * -2 == difference:
        return Explanation(code="signs_of_all_rows")
    return None
