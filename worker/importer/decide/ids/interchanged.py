"""Finds lines whose ids changed places: the stored rows say the same as before, each under the id of another one.

Whether an id moved or its row was amended is told by the other rows only: where every content that lost its id is there
again under another id, the ids moved, and rows are recognised by their content. A line with new content under the id
of a row that moved is a row of its own. So what a user did to a purchase stays with it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from worker.importer.decide.absent_rows import Coverage
from worker.importer.decide.read.line import Line
from worker.importer.decide.stored_row import State, StoredKey


def interchanged_ids(
    lines: Sequence[Line], by_identity: Mapping[bytes, StoredKey], coverage: Coverage
) -> Mapping[int, StoredKey | None]:
    """Return the rows that lines are by their content though another row has their id, by the places of the lines.

    None stands for a line that is no stored row, under the id of a row that moved.

    Args:
        by_identity: The stored rows that may be among the lines.
        coverage: What the delivery proves: a row whose id does not come is free for another id only if it would come.
    """
    by_id = {
        place: row for place, line in enumerate(lines) if line.identity and (row := by_identity.get(line.identity))
    }
    changed_hands = {place: row for place, row in by_id.items() if row.content_key != lines[place].content_key}
    if not changed_hands:
        return {}
    # Leave out rows that kept their id, and equal rows, where any order is right.
    kept_ids = {row.id for place, row in by_id.items() if place not in changed_hands}
    changed_hands_ids = {row.id for row in changed_hands.values()}
    free = [
        row
        for row in by_identity.values()
        if row.id in changed_hands_ids
        or (row.id not in kept_ids and row.state != State.REMOVED and coverage.would_have(row.days))
    ]
    counts = Counter(row.content_key for row in free)
    by_content = {row.content_key: row for row in free if counts[row.content_key] == 1}
    moved = {place: by_content.get(lines[place].content_key) for place in changed_hands}
    new_contents = {line.content_key for place, line in enumerate(lines) if place not in by_id}
    while unproven := _unproven(lines, moved, changed_hands, new_contents, coverage):
        for place in unproven:
            del moved[place]
    return moved


def _unproven(
    lines: Sequence[Line],
    moved: Mapping[int, StoredKey | None],
    changed_hands: Mapping[int, StoredKey],
    new_contents: set[bytes],
    coverage: Coverage,
) -> list[int]:
    """Return the lines that may be amended rows: their row is not free, or no line has the content that it had."""
    stays_ids = {row.id for place, row in changed_hands.items() if place not in moved}
    said = {lines[place].content_key for place, row in moved.items() if row is not None}
    unproven = []
    for place, row in moved.items():
        content = changed_hands[place].content_key
        if row is None:
            proven = content in said and changed_hands[place].state == State.POSTED
        else:
            is_said = content in said or (content in new_contents and coverage.would_have(row.days))
            proven = is_said and row.id not in stays_ids
        if not proven:
            unproven.append(place)
    return unproven
