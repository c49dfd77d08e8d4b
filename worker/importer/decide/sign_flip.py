"""Whether a provider turned the sign of every amount of an account, which is a question and not as many updates."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from worker.importer.decide.identity import folded_text
from worker.importer.decide.match_by_identity import IdentityMatches
from worker.importer.decide.removed_at_bank import Coverage
from worker.importer.decide.stored_row import State, StoredRow

MIN_FLIPPED = 2

_Content: TypeAlias = tuple[str, Decimal, date | None, str]


def signs_flipped(
    matches: IdentityMatches, details: Mapping[int, StoredRow], coverage: Coverage, unchanged_elsewhere: int
) -> bool:
    """Return whether every posted row that a delivery speaks of has the opposite sign now.

    One row may have been corrected by the bank; one row that kept its sign says that the others were.

    Args:
        matches: What was recognised in the delivery.
        details: The stored rows that changed or are absent.
        coverage: What the delivery proves.
        unchanged_elsewhere: How many rows were set aside as unchanged before.
    """
    if unchanged_elsewhere or matches.unchanged:
        return False
    flipped = 0
    for match in matches.changed:
        row = details[match.known_id]
        if State.PENDING in (row.state, State.PENDING if match.line.pending else None) or not row.amount:
            continue
        if match.line.amount != -row.amount:
            return False
        flipped += 1
    new = Counter(_content(line.currency, line.amount, line.stated_on, line.description) for line in matches.new)
    for key in matches.absent:
        if key.state != State.POSTED or not (coverage.window is None or coverage.covers(key.day)):
            continue
        absent = details.get(key.id)
        if absent is None or not new[_content(absent.currency, -absent.amount, absent.stated_on, absent.description)]:
            return False
        flipped += 1
    return flipped >= MIN_FLIPPED


def _content(currency: str, amount: Decimal, on: date | None, description: str) -> _Content:
    return currency, amount, on, folded_text(description)
