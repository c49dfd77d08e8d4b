"""What an answer says holds for purchases, whichever of their rows has the expense by then; no edit is lost by it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import IBAN, TODAY, Harness
from worker.bank_accounts.answers import undo_answer
from worker.bank_accounts.unmatching import unmatch
from worker.connectors.base import Account
from worker.errors import ConflictError
from worker.importer.actions.suggestions import accept
from worker.importer.store.sources.expense_handover import join_pair

LOWERED = "UPDATE expenses SET amount = 2.10 WHERE id = :id"
DAY_BEFORE = TODAY - timedelta(days=1)


@pytest.fixture
def links(sessions, user_id):
    """Three connections to one account."""
    found = [Harness(sessions, user_id) for _ in range(3)]
    for harness in found:
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor=f"iban:{IBAN}", currency="EUR")]
    return found


def rows(harness, words):
    return [
        id_ for (id_,) in harness.sql("SELECT id FROM bank_transactions WHERE description = :w ORDER BY id", w=words)
    ]


def ask(harness, kind, one_id, other_id):
    """Ask whether two rows are one, as an import does."""
    ((suggestion_id,),) = harness.sql(
        "INSERT INTO bank_match_suggestions (user_id, kind, transaction_id, other_transaction_id, reason)"
        " VALUES (:u, :k, :one, :other, 'maybe_twin') RETURNING id",
        u=harness.user_id, k=kind, one=one_id, other=other_id,
    )  # fmt: skip
    return suggestion_id


def say_yes(harness, suggestion_id):
    with harness.sessions() as session:
        accept(session, suggestion_id, user_id=harness.user_id)


@pytest.mark.parametrize("order", [1, -1], ids=["the older question first", "the newer question first"])
def test_questions_about_one_purchase_leave_one_expense(links, order):
    """Of two equal purchases, the first link states another day for one; each further link was asked about it."""
    for harness, day, words in zip(links, (DAY_BEFORE, TODAY, TODAY), ("{}", "POS {} 4711", "{} CARD"), strict=True):
        harness.bank.buy("-20", words.format("Kiosk am Ring"), external_id="1")
        harness.bank.buy("-20", words.format("Shell Station"), external_id="2", booking_on=day)
        harness.refresh()
    asked = links[0].questions("twin")
    assert len(asked) == 2
    for question in asked[::order]:
        say_yes(links[0], question.id)
    for harness in links:
        assert harness.amounts() == ["-20.00", "-20.00"]
        assert harness.questions("twin") == []
        harness.refresh()


def test_an_answer_about_a_row_that_became_a_twin_links_the_row_with_the_expense(links):
    first, second, _ = links
    for harness, day, words in ((first, 30, "Cafe Central"), (second, 28, "SQ 8821")):
        harness.bank.buy("-4.20", words, external_id="1", booking_on=TODAY - timedelta(days=day))
        far = day + 20 if harness is first else 0
        harness.bank.buy("-9.99", "Far away", external_id="2", booking_on=TODAY - timedelta(days=far))
        harness.refresh()
    second.type_in("4.20", "Parking", TODAY - timedelta(days=28))
    second.refresh()
    (twin,) = second.questions("twin")
    say_yes(second, twin.id)
    (later,) = rows(second, "SQ 8821")
    (typed,) = [one for one in second.questions("expense") if one.bank["transaction_id"] == later]
    say_yes(second, typed.id)
    assert second.amounts().count("-4.20") == 1
    with second.sessions() as session:
        undo_answer(session, typed.id, user_id=second.user_id)
    assert second.amounts().count("-4.20") == 2
    assert typed.id in [one.id for one in second.questions("expense")]


def test_an_answer_about_a_leg_that_became_a_twin_hides_both_legs_until_it_is_undone(links, sessions, user_id):
    for harness in links[:2]:
        harness.bank.buy("-500", "Standing order", external_id="1")
        harness.refresh()
    savings = Harness(sessions, user_id)
    savings.bank.accounts = [Account(external_id="S", name="Savings", currency="EUR")]
    savings.bank.buy("500", "Credit", external_id="1", account_id="S")
    savings.refresh()
    savings.sql("DELETE FROM bank_match_suggestions")
    question = ask(savings, "transfer", rows(savings, "Standing order")[1], rows(savings, "Credit")[0])
    say_yes(savings, question)
    assert savings.amounts() == []
    say_yes(savings, ask(savings, "transfer", rows(savings, "Standing order")[0], rows(savings, "Credit")[0]))
    assert savings.amounts() == []
    with sessions() as session:
        undo_answer(session, question, user_id=user_id)
    assert savings.amounts() == ["-500.00", "500.00"]


def test_two_purchases_that_one_source_has_booked_both_are_not_joined_by_an_answer(links):
    for harness in links[:2]:
        harness.bank.buy("-9", "Baker", external_id="1")
        harness.bank.buy("-9", "Books", external_id="2")
        harness.refresh()
    question = ask(links[0], "twin", rows(links[0], "Baker")[0], rows(links[0], "Books")[1])
    with pytest.raises(ConflictError, match="a source has booked both"):
        say_yes(links[0], question)
    assert links[0].amounts() == ["-9.00", "-9.00"]


def test_what_a_person_parted_is_not_joined_by_an_answer_about_a_third_row_before_they_take_it_back(links):
    for harness in links:
        harness.bank.buy("-9", "Baker", external_id="1")
        harness.refresh()
    _, second, third = rows(links[0], "Baker")
    with links[0].sessions() as session:
        parted = unmatch(session, third, user_id=links[0].user_id)
    question = ask(links[0], "twin", second, third)
    with pytest.raises(ConflictError, match="they are two"):
        say_yes(links[0], question)
    assert links[0].amounts() == ["-9.00", "-9.00"]
    with links[0].sessions() as session:
        undo_answer(session, parted.suggestion_id, user_id=links[0].user_id)
    say_yes(links[0], question)
    assert links[0].amounts() == ["-9.00"]


def ask_about_one_of_two(links, *, deleted_first):
    """Link a bank twice: either source states a purchase in words of its own, near where the second one begins."""
    first, second, _ = links
    for harness, day, words, far in ((first, 30, "Cafe Central", 50), (second, 28, "SQ 8821", 0)):
        harness.bank.buy("-4.20", words, external_id="1", booking_on=TODAY - timedelta(days=day))
        harness.bank.buy("-9.99", "Far away", external_id="2", booking_on=TODAY - timedelta(days=far))
        harness.refresh()
        if harness is first and deleted_first:
            harness.sql("DELETE FROM expenses WHERE notes = 'Cafe Central'")
    (question,) = second.questions("twin")
    return question


def test_a_purchase_that_was_deleted_comes_back_with_a_question_and_goes_with_the_answer(links):
    question = ask_about_one_of_two(links, deleted_first=True)
    harness = links[1]
    assert (question.reason, harness.amounts().count("-4.20")) == ("maybe_hidden", 1)
    say_yes(harness, question.id)
    for _ in range(2):
        assert "-4.20" not in harness.amounts()
        harness.refresh()
    with harness.sessions() as session:
        undo_answer(session, question.id, user_id=harness.user_id)
    assert (harness.amounts().count("-4.20"), len(harness.questions("twin"))) == (1, 1)


def test_who_deleted_one_of_two_expenses_after_the_question_keeps_the_other(links):
    question = ask_about_one_of_two(links, deleted_first=False)
    links[0].sql("DELETE FROM expenses WHERE notes = 'Cafe Central'")
    with pytest.raises(ConflictError, match="no expense any more"):
        say_yes(links[0], question.id)
    assert links[0].amounts().count("-4.20") == 1


def test_a_question_that_was_settled_without_an_answer_is_open_no_longer(links):
    """The bank took a row back, a source has booked both, or both are one already; what nothing settled stays open."""
    first, second, third = links
    for harness in (first, second):
        harness.bank.buy("-9", "Baker", external_id="1")
        harness.bank.buy("-9", "Books", external_id="2")
        harness.refresh()
    for text in ("Soap", "Salt"):
        third.bank.buy("-7", text, external_id=text)
    third.refresh()
    (gone,), (stays,) = rows(third, "Soap"), rows(third, "Salt")
    baker, books = rows(third, "Baker"), rows(third, "Books")
    for pair in ((gone, baker[0]), (baker[0], books[1]), tuple(baker)):
        ask(third, "twin", *pair)
    standing = ask(third, "twin", stays, baker[0])
    third.sql("UPDATE bank_transactions SET state = 'removed' WHERE id = :id", id=gone)
    second.bank.buy("-1", "Gum", external_id="3")
    second.refresh()
    assert [one.id for one in third.questions("twin")] == [standing]


def test_an_answer_that_says_what_is_so_already_changes_nothing(links):
    for harness in links[:2]:
        harness.bank.buy("-9", "Baker", external_id="1")
        harness.refresh()
    say_yes(links[0], ask(links[0], "twin", *rows(links[0], "Baker")))
    assert (links[0].amounts(), links[0].questions("twin")) == (["-9.00"], [])


@pytest.mark.parametrize(
    ("edit", "amount", "notes", "category"),
    [
        (LOWERED, "-2.10", "Cafe Central", None),
        ("UPDATE expenses SET notes = 'Breakfast with Bo' WHERE id = :id", "-4.20", "Breakfast with Bo", None),
        ("UPDATE expenses SET category_id = :category_id WHERE id = :id", "-4.20", "Cafe Central", "Food"),
    ],
    ids=["amount", "notes", "category"],
)
def test_what_was_changed_in_the_imported_expense_holds_for_the_typed_one_that_stays(
    harness, edit, amount, notes, category
):
    ((category_id,),) = harness.sql(
        "INSERT INTO categories (user_id, name) VALUES (:u, 'Food') RETURNING id", u=harness.user_id
    )
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    ((imported,),) = harness.sql("SELECT id FROM expenses")
    harness.sql(edit, **({"id": imported} | ({"category_id": category_id} if category else {})))
    typed = harness.type_in("4.20", "Cafe Central")
    harness.refresh()
    (question,) = harness.questions("expense")
    say_yes(harness, question.id)
    for _ in range(2):
        assert harness.expenses() == [(TODAY.isoformat(), amount, "EUR", notes)]
        named = harness.sql("SELECT e.id, c.name FROM expenses e LEFT JOIN categories c ON c.id = e.category_id")
        assert named == [(typed, category)]
        harness.refresh()


def test_two_amounts_that_the_person_wrote_are_not_chosen_between(harness):
    harness.bank.buy("-4.20", "Cafe Central", external_id="1")
    harness.refresh()
    ((imported,),) = harness.sql("SELECT id FROM expenses")
    harness.sql(LOWERED, id=imported)
    typed = harness.type_in("4.20", "Cafe Central")
    harness.refresh()
    harness.sql("UPDATE expenses SET amount = :amount WHERE id = :id", amount=Decimal("3.00"), id=typed)
    (question,) = harness.questions("expense")
    with pytest.raises(ConflictError, match="changed the amount of both"):
        say_yes(harness, question.id)
    assert sorted(harness.amounts()) == ["-2.10", "-3.00"]
    assert [one.id for one in harness.questions("expense")] == [question.id]


def test_rows_that_are_twins_of_one_row_are_one_purchase_already(links):
    for harness in links[:2]:
        harness.bank.buy("-9", "Hotel", external_id="1")
        harness.refresh()
    first, second = rows(links[0], "Hotel")
    with links[0].sessions() as session:
        assert join_pair(session, first, first, None) == join_pair(session, first, second, None) == set()
    assert links[0].amounts() == ["-9.00"]


def test_a_question_about_two_that_are_one_already_moves_no_expense_when_the_pending_one_went(links):
    """Only a posted row that hides behind the pending one has the deletion from it."""
    first, second, _ = links
    first.bank.buy("-9", "Hotel", external_id="p", pending=True)
    first.refresh()
    first.sql("DELETE FROM expenses")
    second.bank.buy("-9", "Hotel", external_id="1")
    first.bank.buy("-9", "Hotel", external_id="q")
    for harness in (first, second):
        harness.refresh()
    pending, posted, other = rows(first, "Hotel")
    for holder, twins in ((posted, [pending]), (other, [pending, posted])):
        first.sql("UPDATE bank_transactions SET expense_state = 'own', twin_id = NULL WHERE id = :id", id=holder)
        first.sql("UPDATE bank_transactions SET state = 'removed' WHERE id = :id", id=pending)
        first.sql(
            "UPDATE bank_transactions SET expense_id = NULL, expense_state = 'twin', twin_id = :holder"
            " WHERE id = ANY(:twins)", holder=holder, twins=twins,
        )  # fmt: skip
        standing = first.sql("SELECT id, expense_id, expense_state, twin_id FROM bank_transactions ORDER BY id")
        first.sql("DELETE FROM bank_match_suggestions")
        say_yes(first, ask(first, "twin", pending, posted))
        assert first.sql("SELECT id, expense_id, expense_state, twin_id FROM bank_transactions ORDER BY id") == standing
