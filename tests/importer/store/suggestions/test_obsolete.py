"""Which open questions are closed because their answer would change nothing, or would be refused."""

import pytest

from worker.bank_accounts.answers import undo_answer
from worker.errors import ConflictError
from worker.importer.store.suggestions.obsolete import close_obsolete_questions

ONE, OTHER = "id = (SELECT min(id) FROM bank_transactions)", "id = (SELECT max(id) FROM bank_transactions)"
ROW = "UPDATE bank_transactions SET"
GONE = f"DELETE FROM expenses WHERE id = (SELECT expense_id FROM bank_transactions WHERE {ONE})"
JOIN = (
    f"{ROW} state = 'pending', expense_state = 'twin', expense_id = NULL,"
    f" twin_id = (SELECT max(id) FROM bank_transactions) WHERE {ONE}"
)
CATEGORISE = (
    "INSERT INTO categories (user_id, name) SELECT id, 'Food' FROM users;"
    " UPDATE expenses SET category_id = (SELECT max(id) FROM categories)"
)
SETTLED = {
    ("expense", "similar_expense"): {
        "nothing": (None, False),
        "its expense is deleted": (GONE, True),
        "it is removed": (f"{ROW} state = 'removed' WHERE {ONE}", True),
        "it stands for another one": (f"{ROW} expense_state = 'linked' WHERE {ONE}", True),
        "the typed one stands for another row": (
            f"{ROW} expense_id = (SELECT max(id) FROM expenses) WHERE {OTHER}", True
        ),
    },
    ("twin", "maybe_twin"): {
        "nothing": (None, True),  # one source has booked both
        "one is pending": (f"{ROW} state = 'pending' WHERE {ONE}", False),
        "its expense is deleted": (GONE, True),
        "they are one": (JOIN, True),
        "one, pending and deleted": (f"{JOIN}; {ROW} state = 'pending', expense_id = NULL WHERE {OTHER}", True),
    },
    ("twin", "other_amount"): {
        "their amounts differ": (f"{ROW} state = 'pending', amount = -21 WHERE {ONE}", False),
        "their amounts are equal": (f"{ROW} state = 'pending' WHERE {ONE}", True),
    },
    ("transfer", "equal_and_opposite"): {
        "nothing": (f"{ROW} amount = 20 WHERE {OTHER}", False),
        "another amount": (f"{ROW} amount = 21 WHERE {OTHER}", True),
        "it is removed": (f"{ROW} amount = 20, state = 'removed' WHERE {OTHER}", True),
        "it has a peer": (
            f"{ROW} amount = 20, transfer_peer_id = (SELECT min(id) FROM bank_transactions) WHERE {OTHER}", True
        ),
    },
    ("withdrawn", "withdrawn"): {
        "it is absent": (f"{ROW} absent_since_at = now() WHERE {ONE}", False),
        "it is back": (None, True),
    },
    ("category", "categorised_before"): {
        "nothing": (None, False),
        "the person gave one": (CATEGORISE, True),
    },
}  # fmt: skip
CASES = [(*question, *case) for question, cases in SETTLED.items() for case in cases.values()]
IDS = [f"{question[1]}: {case}" for question, cases in SETTLED.items() for case in cases]


@pytest.mark.parametrize(("kind", "reason", "statement", "is_obsolete"), CASES, ids=IDS)
def test_a_question_is_closed_once_its_answer_would_change_nothing(harness, kind, reason, statement, is_obsolete):
    for name in "ab":
        harness.bank.buy("-20", f"Shop {name}", external_id=name)
    harness.refresh()
    harness.sql(
        "INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at)"
        " VALUES (:u, 20, 'EUR', 'EXPENSE', 'Typed', '2026-06-13')", u=harness.user_id,
    )  # fmt: skip
    harness.sql(
        "INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, other_transaction_id, expense_id, reason)"
        " SELECT :u, :kind, (SELECT min(id) FROM bank_transactions),"
        " CASE WHEN :kind IN ('twin', 'transfer') THEN (SELECT max(id) FROM bank_transactions) END,"
        " CASE WHEN :kind IN ('expense', 'category') THEN (SELECT max(id) FROM expenses) END, :reason",
        u=harness.user_id, kind=kind, reason=reason,
    )  # fmt: skip
    if statement is not None:
        harness.sql(statement)
    with harness.sessions() as session:
        close_obsolete_questions(session, harness.user_id, harness.run_id)
    ((status, settled_by, is_dated),) = harness.sql(
        "SELECT status, detail ->> 'settled_by', decided_at IS NOT NULL FROM bank_match_suggestions"
    )
    expected = ("obsolete", str(harness.run_id), True) if is_obsolete else ("open", None, False)
    assert (status, settled_by, is_dated) == expected


def test_questions_to_others_stay_and_so_do_answers_of_which_nothing_would_follow_any_more(harness, sessions):
    harness.bank.buy("-20", external_id="a")
    harness.refresh()
    harness.sql(
        "INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, reason)"
        " SELECT :u, 'withdrawn', min(id), 'withdrawn' FROM bank_transactions", u=harness.user_id,
    )  # fmt: skip
    with sessions() as session:
        close_obsolete_questions(session, harness.user_id + 1, harness.run_id)
    harness.sql("UPDATE bank_match_suggestions SET status = 'declined' WHERE status = 'open'")
    with sessions() as session:
        close_obsolete_questions(session, harness.user_id, harness.run_id)
    ((question_id, status),) = harness.sql("SELECT id, status FROM bank_match_suggestions")
    assert status == "declined"
    with pytest.raises(ConflictError, match="settled"), sessions() as session:
        undo_answer(session, question_id, user_id=harness.user_id)
    assert harness.sql("SELECT status FROM bank_match_suggestions") == [("declined",)]
