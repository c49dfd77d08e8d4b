"""Which row is which, whatever the bank does to its ids."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import CURSOR, TODAY, WINDOWED, Harness
from worker.bank_accounts.dismissals import RejectionChoice, dismiss
from worker.connectors.base import Account, IdClass
from worker.importer.fetch.window import OVERLAP_DAYS
from worker.importer.store import share_import
from worker.importer.store.rows.seen import SeenIds
from worker.runs.states import RunKind, RunStatus

UNTRUSTED = [IdClass.POSITIONAL, IdClass.DELIVERY, IdClass.NONE]


@pytest.mark.parametrize("id_class", UNTRUSTED)
def test_twins_of_one_day_stay_two_and_one_more_makes_three(harness, id_class):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    for _ in range(2):
        harness.bank.buy("-3.50")
    harness.refresh()
    assert harness.refresh().counts.created == 0
    harness.bank.buy("-3.50")
    harness.refresh()
    assert harness.amounts() == ["-3.50"] * 3


def test_positional_ids_that_shift_change_nothing(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.POSITIONAL)
    first = harness.bank.buy("-1", "Baker", external_id="2026-06-15.0")
    harness.refresh()
    harness.bank.change(first, external_id="2026-06-15.1")
    harness.bank.rows.insert(0, harness.bank.buy("-2", "Butcher", external_id="2026-06-15.0"))
    harness.bank.rows.pop()
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_ids_that_change_wholesale_find_their_rows_again(harness):
    for n in range(4):
        harness.bank.buy("-3.50", external_id=f"old-{n}")
    harness.refresh()
    harness.bank.rows = [replace(row, external_id=f"new-{n}") for n, row in enumerate(harness.bank.rows)]
    outcome = harness.refresh()
    assert (outcome.counts.created, outcome.counts.updated) == (0, 4)
    assert len(harness.amounts()) == 4
    harness.bank.rows = [replace(row, external_id=f"old-{n}") for n, row in enumerate(harness.bank.rows)]
    assert harness.refresh().counts.created == 0, "an old id that returns is an alias"


def test_session_ids_may_be_reused_by_another_session(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.SESSION)
    harness.bank.session = "one"
    harness.bank.buy("-1", "Baker", external_id="1")
    harness.bank.buy("-2", "Butcher", external_id="2")
    harness.refresh()
    harness.bank.session = "two"
    harness.bank.rows = [
        replace(harness.bank.rows[0], external_id="2"),
        replace(harness.bank.rows[1], external_id="1"),
    ]
    outcome = harness.refresh()
    assert (outcome.counts.created, outcome.counts.removed) == (0, 0)
    assert sorted(row[3] for row in harness.expenses()) == ["Baker", "Butcher"]


def test_blank_ids_are_no_ids(harness):
    harness.bank.buy("-1", external_id=" ")
    harness.bank.buy("-2", external_id=" ")
    harness.refresh()
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_an_id_that_appears_only_later_joins_its_row(harness):
    row = harness.bank.buy("-1", external_id=None)
    harness.refresh()
    row = harness.bank.change(row, external_id="17")
    harness.refresh()
    assert harness.amounts() == ["-1.00"]
    harness.bank.change(row, description="COFFEE SHOP 0017")
    harness.refresh()
    assert [e[3] for e in harness.expenses()] == ["COFFEE SHOP 0017"], "from now on the id is the identity"


def twice_under_one_id(harness):
    """Tell one row twice on a page; return the number of the rejection that asks whether it is one more purchase."""
    harness.bank.rows.append(harness.bank.buy("-1", external_id="1"))
    outcome = harness.refresh()
    assert (outcome.status, outcome.code, harness.amounts()) == (RunStatus.PARTIAL, "rows_rejected", ["-1.00"])
    ((rejection_id, code),) = harness.sql("SELECT id, code FROM bank_import_rejections")
    assert code == "id_repeated"
    return rejection_id


def test_one_id_twice_on_a_page_is_asked_about_until_it_is_said_to_be_a_purchase(harness):
    harness.bank.balance("98")
    twice_under_one_id(harness)
    asked_by = harness.run_id
    harness.bank.buy("-2", external_id="2")
    harness.bank.balance("96")
    assert harness.refresh().code == "rows_rejected"
    assert harness.run(RunKind.REPLAY, target_run_id=asked_by).code == "ok"
    for _ in range(2):
        assert harness.refresh().status == RunStatus.SUCCEEDED
        assert harness.amounts() == ["-2.00", "-1.00", "-1.00"]


def test_one_id_twice_on_a_page_is_one_row_once_a_person_says_so(harness):
    rejection_id = twice_under_one_id(harness)
    with harness.sessions() as session:
        dismiss(session, RejectionChoice(rejection_id=rejection_id), user_id=harness.user_id, why="a repeat")
    for text in ("Coffee", "Coffee", "Tea"):
        harness.bank.buy("-2", text, external_id=None)
        assert harness.refresh().status == RunStatus.SUCCEEDED
    assert harness.amounts().count("-1.00") == 1


def test_a_balance_says_that_one_id_twice_on_a_page_is_one_row(harness):
    harness.bank.balance("100")
    harness.refresh()
    harness.day_later()
    harness.bank.rows.append(harness.bank.buy("-1", external_id="1"))
    harness.bank.balance("99")
    assert (harness.refresh().status, harness.amounts()) == (RunStatus.SUCCEEDED, ["-1.00"])
    ahead = harness.bank.buy("-7", external_id="7", booking_on=harness.bank.today + timedelta(days=3))
    harness.bank.rows.append(ahead)
    harness.bank.capabilities = replace(CURSOR, balances=True)
    assert (harness.refresh().code, harness.amounts()) == ("rows_rejected", ["-1.00", "-7.00"])


def test_pages_that_repeat_rows_are_no_question(harness):
    harness.bank.page_rows = 2
    one, two = (harness.bank.buy(f"-{n}", external_id=str(n)) for n in (1, 2))
    harness.bank.rows += [replace(two, external_id="3"), one]  # repeated, and not at the seam of the two pages
    outcome = harness.refresh()
    assert (outcome.status, outcome.report["warnings"]) == (RunStatus.SUCCEEDED, ["ids_repeated"])
    assert harness.amounts() == ["-2.00", "-2.00", "-1.00"]


def test_ids_that_are_computed_from_what_rows_say_are_told_by_an_option(sessions, user_id):
    harness = Harness(sessions, user_id, options={"id_class": "none"})
    for _ in range(2):
        harness.bank.buy("-1", external_id="1")
    for _ in range(2):
        assert harness.refresh().report.get("warnings") is None
        assert harness.amounts() == ["-1.00"] * 2


@pytest.mark.parametrize("apart", [0, 6], ids=["on one day", "beside rows of other days"])
def test_equal_purchases_under_an_id_of_all_rows_are_counted_in_every_answer(harness, apart):
    harness.bank.buy("-7", "Butcher", external_id="0", booking_on=TODAY - timedelta(days=apart))
    for _ in range(2):
        harness.bank.buy("-20", "Savings club", external_id="0")
    for _ in range(2):
        harness.refresh()
        assert sorted(harness.amounts()) == ["-20.00", "-20.00", "-7.00"]
    del harness.bank.rows[0]
    harness.bank.buy("-20", "Savings club", external_id="0")
    harness.refresh()
    assert harness.amounts().count("-20.00") == 3


def test_one_id_for_two_rows_keeps_both_and_the_other_ids_stay_identities(harness):
    harness.bank.buy("-1", "Baker", external_id="1")
    harness.bank.buy("-2", "Butcher", external_id="1")
    other = harness.bank.buy("-3", "Candles", external_id="3")
    harness.refresh()
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-2.00", "-3.00"]
    harness.bank.change(other, amount=Decimal(-4), description="Wholly else")
    outcome = harness.refresh()
    assert (outcome.counts.created, outcome.counts.updated) == (0, 1)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("together", [True, False], ids=["in one answer", "one after the other"])
def test_an_id_that_lied_stays_distrusted_while_two_rows_have_it(harness, first, together):
    """A list of changes mentions one of the two only, with another amount; it must not become the other one."""
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", "Baker", external_id="1")
    if not together:
        harness.refresh()
        harness.bank.rows.append(harness.bank.rows[0])
    harness.bank.buy("-2", "Butcher", external_id="1")
    harness.refresh()
    changed = replace(harness.bank.rows[-1 - first], description="Said otherwise")
    harness.bank.rows.append(changed)
    harness.refresh()
    assert {"-1.00", "-2.00"} <= set(harness.amounts())


def test_an_id_that_lied_is_trusted_again_once_one_row_has_it(harness):
    one = harness.bank.buy("-1", "Baker", external_id="1")
    other = harness.bank.buy("-2", "Butcher", external_id="1")
    harness.refresh()
    harness.bank.change(other, external_id="2")
    harness.refresh()
    harness.refresh()
    harness.bank.change(one, amount=Decimal(-9), description="Wholly else")
    outcome = harness.refresh()
    assert sorted(harness.amounts()) == ["-2.00", "-9.00"]
    assert (outcome.counts.created, outcome.counts.updated) == (0, 1)


@pytest.mark.parametrize("capabilities", [WINDOWED, CURSOR], ids=["windows", "changes"])
@pytest.mark.parametrize("posted", [{}, {"amount": Decimal(-24), "description": "TRATTORIA LUIGI"}])
def test_pending_and_posted_under_one_id_in_one_answer_are_one_purchase(harness, capabilities, posted):
    harness.bank.capabilities = capabilities
    pending = harness.bank.buy("-20", "Trattoria Luigi", external_id="1", pending=True)
    harness.bank.rows.append(replace(pending, pending=False, **posted))
    harness.refresh()
    harness.refresh()
    assert len(harness.amounts()) == 1
    assert harness.sql("SELECT state FROM bank_transactions") == [("posted",)]


@pytest.mark.parametrize("capabilities", [WINDOWED, CURSOR], ids=["windows", "changes"])
def test_ids_that_come_and_go_change_nothing(harness, capabilities):
    harness.bank.capabilities = capabilities
    row = harness.bank.buy("-1", external_id=None)
    for external_id in ("17", None, " ", "17", "17", None):
        outcome = harness.refresh()
        reads_all = capabilities is WINDOWED or outcome.code == "rows_told_again"
        row = replace(row, external_id=external_id)
        harness.bank.rows = [row] if reads_all else [*harness.bank.rows, row]
    harness.refresh()
    assert harness.amounts() == ["-1.00"]


def test_a_pending_row_without_an_id_beside_an_equal_posted_one_is_another_purchase(harness):
    harness.bank.capabilities = CURSOR
    harness.bank.buy("-1", external_id="17")
    harness.refresh()
    harness.bank.buy("-1", external_id=None, pending=True)
    harness.refresh()
    assert harness.amounts() == ["-1.00", "-1.00"]


def test_one_id_for_a_known_row_and_a_new_one_keeps_both(harness):
    harness.bank.buy("-1", "Baker", external_id="1")
    harness.refresh()
    harness.bank.buy("-2", "Butcher", external_id="1")
    harness.refresh()
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


@pytest.mark.parametrize(
    ("before", "after", "accounts"),
    [
        ({"anchor": "iban:DE1"}, {"anchor": "iban:DE1", "name": "Giro"}, 1),
        ({"mask": "1234"}, {"mask": "1234"}, 1),
        ({}, {}, 2),
        ({"mask": "1234"}, {"mask": "9999"}, 2),
        ({"anchor": "iban:DE1", "mask": "1234"}, {"anchor": "iban:DE2", "mask": "1234"}, 2),
    ],
    ids=["by anchor", "by name, last four, currency", "never by name alone", "other last four", "anchors differ"],
)
def test_an_account_with_a_new_id_is_found_again(harness, before, after, accounts):
    harness.bank.accounts = [Account(external_id="A", currency="EUR", **({"name": "Checking"} | before))]
    harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.accounts = [Account(external_id="A2", currency="EUR", **({"name": "Checking"} | after))]
    harness.bank.rows = [replace(row, account_id="A2", external_id="x1") for row in harness.bank.rows]
    harness.refresh()
    assert harness.sql("SELECT count(*) FROM bank_connection_accounts") == [(accounts,)]
    if accounts == 1:
        assert harness.amounts() == ["-1.00"]
    suggested = harness.sql("SELECT kind FROM bank_match_suggestions")
    assert suggested == ([("account",)] if accounts == 2 else [])


@pytest.mark.parametrize("id_class", UNTRUSTED)
def test_a_row_that_was_rewritten_leaves_its_old_content_to_the_next_purchase(harness, id_class):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    row = harness.bank.buy("-9", "CARD 123 BAKER")
    harness.refresh()
    harness.bank.change(row, description="Baker & Co, Berlin")
    harness.refresh()
    harness.bank.buy("-9", "CARD 123 BAKER")
    assert harness.refresh().counts.created == 1
    assert harness.refresh().code == "nothing_new"
    assert harness.amounts() == ["-9.00", "-9.00"]


@pytest.mark.parametrize("id_class", UNTRUSTED)
def test_a_rewritten_row_is_known_again_in_an_answer_that_is_cut(harness, id_class):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    row = harness.bank.buy("-9", "CARD 123 BAKER")
    harness.refresh()
    harness.bank.change(row, description="Baker & Co, Berlin")
    harness.refresh()
    harness.bank.complete = False
    harness.refresh()
    assert harness.amounts() == ["-9.00"]


def test_a_row_that_lost_its_id_is_known_again_in_an_answer_that_is_cut(harness):
    row = harness.bank.buy("-9", "Baker", external_id="1")
    harness.refresh()
    row = harness.bank.change(row, external_id=None, description="Baker & Co")
    harness.refresh()
    harness.bank.complete = False
    harness.refresh()
    assert harness.amounts() == ["-9.00"]
    harness.bank.change(row, external_id="1", description="Baker & Sons")
    harness.refresh()
    assert [e[3] for e in harness.expenses()] == ["Baker & Sons"], "the id it had is still its own"


def test_ids_that_lost_their_trust_may_churn_in_an_answer_that_is_cut(harness):
    harness.bank.buy("-1", "Baker", external_id="1")
    harness.bank.buy("-2", "Butcher", external_id="2")
    harness.refresh()
    harness.sql("UPDATE bank_connection_accounts SET id_class = 'none'")
    harness.bank.rows = [replace(row, external_id=f"{row.external_id}-new") for row in harness.bank.rows]
    harness.bank.complete = False
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_an_id_that_the_bank_gives_to_another_account_is_another_account(harness):
    harness.bank.accounts = [Account(external_id="1", name="Checking", currency="EUR", anchor="iban:DE1")]
    harness.bank.buy("-1", external_id="x", account_id="1")
    harness.refresh()
    harness.bank.accounts = [
        Account(external_id="2", name="Checking", currency="EUR", anchor="iban:DE1"),
        Account(external_id="1", name="Savings", currency="EUR", anchor="iban:DE2"),
    ]
    harness.bank.rows = [replace(harness.bank.rows[0], account_id="2")]
    harness.bank.buy("-2", external_id="y", account_id="1")
    harness.refresh()
    rows = harness.sql("SELECT external_id, anchor FROM bank_connection_accounts ORDER BY id")
    assert rows == [("2", "iban:DE1"), ("1", "iban:DE2")]
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_an_id_whose_account_went_and_came_back_as_another_is_another_account(harness):
    harness.bank.accounts = [Account(external_id="1", name="Checking", currency="EUR", anchor="iban:DE1")]
    harness.bank.buy("-1", external_id="x", account_id="1")
    harness.refresh()
    harness.bank.accounts = [Account(external_id="1", name="Savings", currency="EUR", anchor="iban:DE2")]
    harness.bank.rows = [replace(harness.bank.rows[0], amount=harness.bank.rows[0].amount * 2, external_id="y")]
    harness.refresh()
    assert harness.sql("SELECT count(*) FROM bank_connection_accounts") == [(2,)]
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_two_accounts_that_swap_their_ids_keep_their_rows(harness):
    one = Account(external_id="1", name="Checking", currency="EUR", anchor="iban:DE1")
    two = Account(external_id="2", name="Savings", currency="EUR", anchor="iban:DE2")
    harness.bank.accounts = [one, two]
    first = harness.bank.buy("-1", external_id="x", account_id="1")
    second = harness.bank.buy("-2", external_id="y", account_id="2")
    harness.refresh()
    harness.bank.accounts = [replace(one, external_id="2"), replace(two, external_id="1")]
    harness.bank.rows = [replace(first, account_id="2"), replace(second, account_id="1")]
    assert harness.refresh().code == "nothing_new"
    assert sorted(harness.amounts()) == ["-1.00", "-2.00"]


def test_two_accounts_of_one_face_are_asked_about_one_to_one(harness):
    faces = [Account(external_id=i, name="Card", mask="4242", currency="EUR") for i in ("1", "2")]
    harness.bank.accounts = faces
    for account in faces:
        harness.bank.buy("-1", external_id="x", account_id=account.external_id)
    harness.refresh()
    harness.bank.accounts = [replace(account, external_id=f"{account.external_id}-new") for account in faces]
    harness.bank.rows = [replace(row, account_id=f"{row.account_id}-new", external_id="n") for row in harness.bank.rows]
    harness.refresh()
    assert len(harness.amounts()) == 2, "nothing is imported twice while the questions are open"
    asked = harness.sql("SELECT account_id, other_account_id FROM bank_match_suggestions WHERE kind = 'account'")
    assert len({new for new, _ in asked}) == len({old for _, old in asked}) == 2


def test_an_account_of_another_institution_is_another_account(harness):
    here = Account(external_id="1", name="Checking", mask="1234", currency="EUR", institution_name="North Bank")
    harness.bank.accounts = [here]
    harness.refresh()
    harness.bank.accounts = [replace(here, external_id="2", institution_name="South Bank")]
    harness.refresh()
    assert harness.sql("SELECT count(*) FROM bank_connection_accounts") == [(2,)]


@pytest.mark.parametrize(("account", "option"), [(IdClass.NONE, None), (None, "none")], ids=["institution", "user"])
def test_the_class_of_ids_may_be_overridden(sessions, user_id, account, option):
    from tests.importer.bank import Harness

    harness = Harness(sessions, user_id, options={"id_class": option} if option else {})
    harness.bank.accounts = [Account(external_id="A", name="Checking", currency="EUR", id_class=account)]
    row = harness.bank.buy("-1", external_id="1")
    harness.refresh()
    harness.bank.change(row, external_id="2")
    harness.bank.complete = False
    harness.refresh()
    assert harness.amounts() == ["-1.00"]


def test_positions_renumbered_by_a_twin_in_front_add_one(harness):
    harness.bank.capabilities = replace(WINDOWED, id_class=IdClass.POSITIONAL)
    row = harness.bank.buy("-3.50", external_id="2026-06-15.0")
    harness.refresh()
    harness.sql("UPDATE expenses SET notes = 'Mine'")
    twin = replace(row, external_id="2026-06-15.0")
    harness.bank.rows = [twin, replace(row, external_id="2026-06-15.1")]
    assert harness.refresh().counts.created == 1
    assert harness.refresh().code == "nothing_new"
    assert sorted(e[3] for e in harness.expenses()) == ["Coffee", "Mine"]


@pytest.mark.parametrize("id_class", [IdClass.STABLE, *UNTRUSTED])
def test_a_user_deletion_among_twins_survives_a_late_twin_and_another_link(harness, id_class):
    harness.bank.capabilities = replace(WINDOWED, id_class=id_class)
    for n in range(3):
        harness.bank.buy("-3.50", external_id=f"{n}")
    harness.refresh()
    harness.sql("DELETE FROM expenses WHERE id = (SELECT min(id) FROM expenses)")
    harness.bank.buy("-3.50", external_id="3")
    harness.refresh()
    harness.bank.rows = [replace(row, external_id=f"{row.external_id}-new") for row in harness.bank.rows]
    harness.refresh()
    assert harness.amounts() == ["-3.50"] * 3


@pytest.mark.parametrize("slice_rows", [1, 1000])
def test_an_id_of_rows_of_different_days_is_no_identity_however_the_delivery_is_cut(harness, monkeypatch, slice_rows):
    monkeypatch.setattr(share_import, "SLICE_ROWS", slice_rows)
    for days_ago in (9, 6, 3, 0):
        day = harness.bank.today - timedelta(days=days_ago)
        harness.bank.buy(f"-{days_ago + 1}", f"Row of {day}", external_id="same", booking_on=day)
    harness.refresh()
    harness.refresh()
    assert sorted(harness.amounts()) == ["-1.00", "-10.00", "-4.00", "-7.00"]


def test_an_id_is_suspected_once_it_was_seen():
    met = SeenIds(1000)
    first = [f"id{number}".encode() for number in range(1000)]
    assert len(met.add(first)) < 100
    assert met.add(first) == first


@pytest.mark.parametrize("id_class", UNTRUSTED)
def test_equal_rows_booked_together_but_bought_weeks_apart_are_told_apart(harness, id_class):
    harness.bank.capabilities = replace(CURSOR, id_class=id_class)
    bought = [harness.bank.today - timedelta(days=days) for days in (60, 0)]
    for day in bought:
        harness.bank.buy("-3.50", transaction_on=day)
        assert harness.refresh().counts.created == 1
    assert sorted(row[0] for row in harness.expenses()) == sorted(day.isoformat() for day in bought)


def test_rows_that_an_earlier_slice_created_are_told_from_rows_that_another_worker_numbered_higher(
    harness, monkeypatch
):
    monkeypatch.setattr(share_import, "SLICE_ROWS", 2)
    for day in range(1, 7):
        harness.bank.buy(f"-{day}", external_id=str(day), booking_on=TODAY.replace(day=day))
    harness.refresh()
    harness.sql("UPDATE bank_transactions SET id = id + 1000000")  # every session takes its ids a thousand at a time
    harness.bank.buy("-9", external_id="9", booking_on=TODAY.replace(day=1))
    outcome = harness.refresh()
    assert (outcome.counts.created, len(harness.amounts())) == (1, 7)


def test_ids_that_were_no_identities_are_trusted_again_once_the_connector_says_so(harness):
    account = harness.bank.accounts[0]
    for id_class in (IdClass.NONE, IdClass.STABLE):
        harness.bank.accounts = [replace(account, id_class=id_class)]
        if id_class is IdClass.NONE:
            harness.bank.buy("-3.50", "Coffee", external_id="1")
            row = harness.bank.buy("-3.50", "Coffee", external_id="2")
        harness.refresh()
        assert harness.amounts() == ["-3.50", "-3.50"]
    harness.bank.change(row, amount=Decimal("-4.00"), description="Tea")
    harness.refresh()
    assert harness.amounts() == ["-4.00", "-3.50"]


@pytest.mark.parametrize("days", [40, 70])
def test_an_id_that_is_given_to_another_purchase_later_overwrites_nothing(harness, days):
    harness.bank.capabilities = replace(WINDOWED, windows_complete=False)
    harness.bank.buy("-5", "Bakery", external_id="1")
    harness.refresh()
    harness.day_later(days)
    if days > OVERLAP_DAYS:
        harness.bank.rows.clear()
    harness.bank.buy("-70", "Fuel", external_id="1")
    for _ in range(3):
        harness.refresh()
    assert harness.amounts() == ["-5.00", "-70.00"]
