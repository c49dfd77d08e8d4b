"""Files of one account that overlap, were edited, or are in another form: no row doubled or lost behind a success.

Each story is an account of its own with its files in one folder, so that one run imports all of them.
"""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

from tests.file.ofx.test_statements import bank, row
from tests.file.test_imported import FileHarness
from worker.importer.actions.suggestions import list_suggestions

ON = [date(2026, 1, 5) + timedelta(days) for days in range(8)]
COFFEES = [(on, "Coffee Bar", "-3.20") for on in ON] + [(ON[4], "Coffee Bar", "-3.20")]
SHOPS = [(ON[1], "Rewe Markt", "-21.40"), (ON[3], "Bahn", "-9.90"), (ON[4], "Acme Salary", "2450.00")]
WHOLE = sorted(COFFEES + SHOPS)
FIRST, BAHN, LAST = 0, WHOLE.index(SHOPS[1]), len(WHOLE) - 1
IN_A_DAY = WHOLE.index(SHOPS[2]) + 1
FEW = SHOPS[:2]


def edited(at, *, days=0, words=None, amount=None):
    """Return the rows as a person edited one of them."""
    on, said, paid = WHOLE[at]
    return [*WHOLE[:at], (on + timedelta(days), words or said, amount or paid), *WHOLE[at + 1 :]]


# Files of the same payments. What is in the ledger twice has to be a question.
EDITED = {
    "the first row, a day before": (WHOLE, edited(FIRST, days=-1)),
    "the first row, a day later": (WHOLE, edited(FIRST, days=1)),
    "a row, a day later": (WHOLE, edited(BAHN, days=1)),
    "the last row, a day before": (WHOLE, edited(LAST, days=-1)),
    "the last row, a day later": (WHOLE, edited(LAST, days=1)),
    "a row of a habit, in other words": (WHOLE, edited(FIRST, words="Dinner with Bo")),
    "a row, in other words": (WHOLE, edited(BAHN, words="Train")),
    "a row, with another amount": (WHOLE, edited(BAHN, amount="-99.00")),
    "a row in other words, and a later export with it as it was": (
        WHOLE,
        edited(BAHN, words="Train"),
        [*WHOLE, (ON[7], "Kiosk", "-1.00")],
    ),
    "two rows, both in other words": (FEW, [(on, f"Number {on.day}", amount) for on, _, amount in FEW]),
    "all rows of a habit, a day later": (WHOLE, [(on + timedelta(1), words, amount) for on, words, amount in WHOLE]),
    "two rows, both a day later": (FEW, [(on + timedelta(1), words, amount) for on, words, amount in FEW]),
}
# Of these nothing has to be asked.
SAME = {
    "in another order": (WHOLE, WHOLE[::-1]),
    "a row left out": (WHOLE, [one for one in WHOLE if one != WHOLE[BAHN]]),
    "a row that was booked late": ([one for one in WHOLE if one != WHOLE[BAHN]], WHOLE),
    "cut within a day, then whole": (WHOLE[:IN_A_DAY], WHOLE),
    "cut within a day, and from there": (WHOLE[:IN_A_DAY], WHOLE[IN_A_DAY:]),
    "from within a day, then what was before": (WHOLE[IN_A_DAY:], WHOLE[:IN_A_DAY]),
    "two rows in common": (WHOLE[: IN_A_DAY + 2], WHOLE[IN_A_DAY:]),
    "two rows in common, the later file first": (WHOLE[IN_A_DAY:], WHOLE[: IN_A_DAY + 2]),
    "with more words": (WHOLE, [(on, f"{words} {at}", amount) for at, (on, words, amount) in enumerate(WHOLE)]),
}
EVENING = {*map(WHOLE.index, SHOPS), WHOLE.index(COFFEES[-1])}
SAME["the rows of the evenings, a day later"] = (
    WHOLE,
    [(on + timedelta(at in EVENING), words, amount) for at, (on, words, amount) in enumerate(WHOLE)],
)
STORIES = EDITED | SAME | {"in another form": (WHOLE, WHOLE)}


def iban(number):
    bban = f"37040044{number:010}"
    return f"DE{98 - int(f'{bban}131400') % 97:02}{bban}"


def table(rows, number):
    lines = (f"{on},{words},{amount},{iban(number)}\n" for on, words, amount in rows)
    return "Date,Description,Amount,Account IBAN\n" + "".join(lines)


def statement(rows, number):
    told = "".join(
        row(amount, f"{on:%Y%m%d}", f"F{at}", f"<NAME>KARTE {words.upper()}")
        for at, (on, words, amount) in enumerate(rows)
    )
    account = f"<BANKACCTFROM><BANKID>37040044<ACCTID>{iban(number)}<ACCTTYPE>CHECKING</BANKACCTFROM>"
    return bank(told, account=account).replace("usd", "EUR").replace("LEDGERBAL", "AVAILBAL")


def ledger(folder, number):
    """Return the amounts that an account shows, and its problem."""
    of_account = {"anchor": f"iban:{iban(number)}%"}
    shown = folder.sql(
        "SELECT t.amount FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id"
        " WHERE a.anchor LIKE :anchor AND t.expense_id IS NOT NULL",
        **of_account,
    )
    [(problem,)] = folder.sql(
        "SELECT problem_code FROM bank_connection_accounts WHERE anchor LIKE :anchor", **of_account
    )
    return Counter(amount for (amount,) in shown), problem


def test_what_two_files_tell_is_in_the_ledger_once_or_is_asked_about(sessions, user_id, tmp_path):
    folder = FileHarness(sessions, user_id, tmp_path)
    for number, (name, files) in enumerate(STORIES.items()):
        for place, rows in enumerate(files):
            is_ofx = place and name == "in another form"
            content = (statement if is_ofx else table)(rows, number)
            folder.drop(f"{number}-{place}.{'ofx' if is_ofx else 'csv'}", content)
    assert folder.refresh().status == "partial"
    wrong = {}
    for number, (name, (first, *_)) in enumerate(STORIES.items()):
        rows = first if name in EDITED else WHOLE
        shown, problem = ledger(folder, number)
        was_once, was_asked = shown == Counter(Decimal(amount) for _, _, amount in rows), problem == "rows_withdrawn"
        if not (was_once or (name in EDITED and was_asked)) or (name not in EDITED and problem):
            wrong[name] = shown, problem
    assert wrong == {}


REVOLUT = "Type,Product,Started Date,Completed Date,Description,Amount,Fee,Currency,State,Balance\n"


def payment(day, words, state="COMPLETED"):
    began, ended = f"2026-06-{day:02} 10:00:00", f"2026-06-{day:02} 12:00:00" if state == "COMPLETED" else ""
    return f"CARD_PAYMENT,Current,{began},{ended},{words},-{day}.00,0.00,EUR,{state},\n"


def test_a_pending_row_that_a_later_export_of_its_day_lacks_is_asked_about_and_goes(sessions, user_id, tmp_path):
    folder = FileHarness(sessions, user_id, tmp_path)
    first, pending, last = payment(2, "Shop"), payment(3, "Pub", "PENDING"), payment(4, "Cafe")
    folder.bank.today = date(2026, 6, 4)
    folder.drop("a.csv", f"{REVOLUT}{first}{pending}{last}")
    assert folder.refresh().code == "ok"
    folder.day_later(7)
    folder.drop("b.csv", f"{REVOLUT}{first}{last}{payment(10, 'Bakery')}")
    assert folder.refresh().code == "still_pending"
    with sessions() as session:
        [question] = list_suggestions(session, user_id)
    assert question.reason == "still_pending"
    folder.day_later(7)
    folder.drop("c.csv", f"{REVOLUT}{first}{last}{payment(17, 'Kino')}")
    assert folder.refresh().code == "ok"
    assert sorted(folder.amounts()) == ["-10.00", "-17.00", "-2.00", "-4.00"]


def test_a_row_that_a_later_export_calls_void_goes_at_once_or_is_asked_about_where_it_was_booked(
    sessions, user_id, tmp_path
):
    folder = FileHarness(sessions, user_id, tmp_path)
    first, pub, cafe = payment(2, "Shop"), payment(3, "Pub", "PENDING"), payment(4, "Cafe")
    failed = payment(4, "Cafe", "FAILED")  # a try that failed, before the one that did not
    folder.bank.today = date(2026, 6, 4)
    folder.drop("a.csv", f"{REVOLUT}{first}{pub}{failed}{cafe}")
    assert folder.refresh().code == "ok"
    folder.drop("b.csv", f"{REVOLUT}{first}{pub.replace('PENDING', 'REVERTED')}{failed}{cafe}")
    assert folder.refresh().code == "ok"
    assert sorted(folder.amounts()) == ["-2.00", "-4.00"]
    folder.drop("c.csv", f"{REVOLUT}{first}{cafe.replace('COMPLETED', 'REVERTED')}{payment(5, 'Kino')}")
    assert folder.refresh().code == "rows_withdrawn"
    assert sorted(folder.amounts()) == ["-2.00", "-4.00", "-5.00"]
