"""Where one source goes on from another, balances prove it, contradict it, or nothing does."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.importer.bank import TODAY, Harness
from worker.bank_accounts.accounts import list_bank_accounts
from worker.connectors.base import Account

IBAN = "DE02120300000000202051"


@pytest.mark.parametrize(
    ("more", "seam"), [("0", ("proven", None)), ("-7", ("mismatch", Decimal(-7))), (None, ("unproven", None))]
)
def test_the_opening_that_follows_from_the_later_source_is_compared_with_the_end_of_the_earlier(
    sessions, user_id, more, seam
):
    old, new = Harness(sessions, user_id), Harness(sessions, user_id)
    for harness, days in ((old, range(20, 40)), (new, range(20))):
        harness.bank.today = TODAY - timedelta(days=days[0])
        harness.bank.accounts = [Account(external_id="A", name="Giro", anchor=f"iban:{IBAN}", currency="EUR")]
        for n in days:
            harness.bank.buy(f"-{n}.10", f"Shop {n}", external_id=str(n), booking_on=TODAY - timedelta(days=n))
    old.bank.balance("1000")
    if more is not None:
        new.bank.balance(str(1000 + sum(row.amount for row in new.bank.rows) + Decimal(more)))
    old.refresh()
    new.refresh()
    with sessions() as session:
        (account,) = list_bank_accounts(session, user_id=user_id)
    first, second = account["sources"]
    assert first["seam"] is None
    assert (second["seam"], second["seam_difference"]) == seam
