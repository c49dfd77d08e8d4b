"""The kit, unchanged, on manifests: good ones pass, and each broken one is caught by the check meant for it."""

from collections.abc import Iterator
from datetime import date, timedelta

import httpx2
import pytest

from tests.connectors.kit.banks import TOKEN, BankServer
from tests.connectors.kit.test_broken import failing
from tests.connectors.manifest.banks import CURSOR, PAGED
from worker.connectors.errors import RateLimitError
from worker.connectors.manifest.checking.run import run_checks
from worker.connectors.manifest.connector import make_connector
from worker.connectors.manifest.loading import parse_manifest, skeleton
from worker.connectors.testing import connector_tests
from worker.connectors.testing.checks import ALL_CHECKS
from worker.connectors.testing.subject import Spec, Subject

CONFIG = {"token": TOKEN}
OWN_FAULTS = {
    "a rate limit in a good answer": (lambda _: httpx2.Response(200, json={"error": "DAILY_LIMIT"}), RateLimitError)
}


def connector(text):
    return make_connector(parse_manifest(text, "bank.toml"))


TestPaged = connector_tests(connector(PAGED), config=CONFIG, server=BankServer, faults=OWN_FAULTS)
TestCursor = connector_tests(connector(CURSOR), config=CONFIG, server=BankServer, faults=OWN_FAULTS)


class MintingServer(BankServer):
    """A bank whose ids are new with every answer."""

    minted: Iterator[int] = iter(range(10**9))

    def transactions(self, query):
        answer = super().transactions(query)
        return answer | {"transactions": [row | {"id": f"m{next(self.minted)}"} for row in answer["transactions"]]}


AMOUNTS = "amounts_keep_their_sign_and_decimals"
BALANCES = "balances_are_those_of_the_bank"
PENDING = "pending_rows_are_not_passed_off_as_posted"
SHAPE = "pages_have_the_right_shape"
OWN_ERRORS = "the_providers_own_errors_are_understood"
DAYS = "days_are_those_of_the_bank"
DAY_OF_UTC = 'booking_on = { path = "booked_at", format = "moment" }'

BROKEN = {
    "wrong sign": ('sign = "as_is"', 'sign = "flipped"', AMOUNTS),
    "wrong zone": ('booking_at = "booked_at"', DAY_OF_UTC, DAYS),
    "wrong paging": ('next = "next"', 'next = "following"', "every_page_is_read"),
    "id of another record": ('id = "id"\naccount', 'id = "text"\naccount', "ids_are_unique_in_an_account"),
    "swallowed error": ('error = ["DAILY_LIMIT"]', 'error = ["OTHER"]', OWN_ERRORS),
    "pending as posted": ('absent = "pending"', 'absent = "posted"', PENDING),
    "wrong balance": ('booked = "balance"', 'booked = { path = "balance", sign = "flipped" }', BALANCES),
}


@pytest.mark.parametrize("defect", BROKEN)
def test_a_broken_manifest_is_caught_by_the_check_meant_for_it(defect, tmp_path):
    right, wrong, caught_by = BROKEN[defect]
    assert right in PAGED
    broken = connector(PAGED.replace(right, wrong))
    found = failing(Spec(connector=broken, config=CONFIG, server=BankServer, faults=OWN_FAULTS), tmp_path)
    assert caught_by in found
    assert set(found) - {caught_by} <= NEIGHBOURS.get(defect, set()), found


def test_a_wrong_decimal_mark_makes_no_amount_a_hundred_times_as_large(tmp_path):
    text = PAGED.replace('sign = "as_is"', 'decimal_mark = ","')
    found = failing(Spec(connector=connector(text), config=CONFIG, server=BankServer), tmp_path)
    assert "EUR" not in found[AMOUNTS].partition(", got ")[2]


@pytest.mark.parametrize(
    ("account", "check", "said"),
    [
        ('{ const = "account-eur" }', AMOUNTS, "rows came for another account than their own"),
        ('{ const = "acc-9" }', SHAPE, "a transaction belongs to account acc-9, and list_accounts has account-eur"),
    ],
)
def test_rows_of_another_account_are_called_so_and_not_wrong_amounts(account, check, said, tmp_path):
    text = PAGED.replace('account = "account"\namount', f"account = {account}\namount")
    spec = Spec(connector=connector(text), config=CONFIG, server=BankServer)
    (run,) = (one.run for one in ALL_CHECKS if one.name == check)
    with pytest.raises(AssertionError, match=said):
        run(Subject(spec, tmp_path))


NEIGHBOURS = {
    "wrong zone": {"every_page_is_read", "it_covers_only_what_it_read", "a_row_taken_back_is_not_delivered_again"},
    "id of another record": {
        "a_row_without_an_id_is_no_defect",
        "ids_do_not_depend_on_the_order",
        "a_posted_row_takes_the_place_of_its_pending_row",
    },
}
"""What else a defect breaks: several checks look at the same days or ids."""


def test_ids_of_another_class_than_promised_are_caught(tmp_path):
    found = failing(Spec(connector=connector(PAGED), config=CONFIG, server=MintingServer), tmp_path)
    assert "ids_are_the_same_in_every_delivery" in found
    (tmp_path / "again").mkdir()
    honest = connector(PAGED.replace('ids = "stable"', 'ids = "delivery"'))
    assert failing(Spec(connector=honest, config=CONFIG, server=MintingServer), tmp_path / "again") == {}


class ExclusiveServer(BankServer):
    """A bank whose windows do not hold their last day."""

    def transactions(self, query):
        until = date.fromisoformat(query["to"]) - timedelta(days=1)
        return super().transactions(query | {"to": until.isoformat()})


def test_an_edge_that_does_not_belong_to_the_window_is_caught(tmp_path):
    found = failing(Spec(connector=connector(PAGED), config=CONFIG, server=ExclusiveServer), tmp_path)
    assert "both_edges_belong_to_the_window" in found
    (tmp_path / "again").mkdir()
    honest = connector(PAGED.replace('to = "inclusive"', 'to = "exclusive"').replace("= 90", "= 89"))
    assert failing(Spec(connector=honest, config=CONFIG, server=ExclusiveServer), tmp_path / "again") == {}


BOTH_OUT = 'out_when = { direction = ["OUT", "IN"] }'
GENERATED = {
    "wrong sign": ('out_when = { direction = ["OUT"] }', BOTH_OUT, AMOUNTS),
    "wrong zone": ('booking_on = "booked_on"', 'booking_on = { path = "made_at", format = "moment" }', DAYS),
    "wrong paging": ('next = "next", param', 'next = "following", param', "every_page_is_read"),
    "id of another record": ('id = "id"\namount', 'id = "text"\namount', "ids_are_unique_in_an_account"),
    "swallowed error": ('["CONSENT_EXPIRED"] }\nmeans', '["OTHER"] }\nmeans', OWN_ERRORS),
    "wrong unit": ('amount = { path = "amount", ', 'amount = { path = "amount", unit = "minor", ', AMOUNTS),
    "pending as posted": ('pending = ["PENDING"]', 'pending = ["OTHER"], otherwise = "posted"', PENDING),
    "wrong balance": ('"balance.booked"', '{ path = "balance.booked", sign = "flipped" }', BALANCES),
    "wrong currency": ('currency = "currency"\ndesc', 'currency = { const = "USD" }\ndesc', AMOUNTS),
}


@pytest.mark.parametrize("defect", GENERATED)
def test_a_bank_that_is_played_from_samples_catches_it_too(defect):
    right, wrong, caught_by = GENERATED[defect]
    text = skeleton("acme")
    assert right in text
    outcomes = {one.check: one.problem for one in run_checks(parse_manifest(text.replace(right, wrong), "acme.toml"))}
    assert outcomes[caught_by] is not None
