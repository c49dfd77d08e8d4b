"""Planted canaries of every kind: none of them is in a recording, and the recordings still replay."""

import base64
import json
import re

import pytest
from pydantic import SecretStr

from tests.fakes import enablebanking_server, gocardless_server, plaid_server
from tests.fakes.simplefin_bank import Entry
from tests.recordings.test_stories import T, enablebanking, gocardless, plaid, same, simplefin, two_accounts  # noqa: F401

NAME = "Canaria Vogelsang-Öztürk"
WORDS = ["Canaria", "Vogelsang", "Öztürk", "Zwitschergasse", "Lutetia"]
NUMBERS = [
    "4929123456781234",
    "DE89370400440532013000",
    "370400440532013000",
    "+49 170 5550199",
    "5550199",
    "987654321",
]
TOKENS = ["access-canary-1", "canary-plaid-secret", "canary-gocardless-key", "tok_Q7zR9canaryXk2"]
TEXT = (
    f"SEPA {NAME}, Zwitschergasse 44, Lutetia; IBAN DE89 3704 0044 0532 0130 00; card 4929123456781234;"
    " +49 170 5550199; canaria.vogelsang@lutetia.example; ref 987654321; tok_Q7zR9canaryXk2 &amp; on 2026-11-09"
)
AMOUNTS = ["1734.61", "90871.33"]


def assert_clean(connection, *more):
    for text in connection.recordings:
        compact = re.sub(r"\s|\\u[0-9a-f]{4}|\\", "", text)
        plain = json.loads(text)
        spoken = json.dumps(plain, ensure_ascii=False)
        for canary in (*WORDS, *NUMBERS, *TOKENS, *AMOUNTS, *more):
            for form in {
                canary,
                canary.lower(),
                canary.upper(),
                base64.b64encode(canary.encode()).decode().rstrip("="),
            }:
                assert form not in text
                assert form not in spoken
            assert re.sub(r"\s", "", canary) not in compact
        assert "PRIVATE KEY" not in text
    same(connection)


def test_plaid(plaid):  # noqa: F811 - a fixture
    fake, connection = plaid
    fake.accounts[0] |= {"name": f"{NAME} 4929123456781234", "official_name": TEXT, "mask": "1234"}
    fake.add(plaid_server.transaction(
        "tok_Q7zR9canaryXk2", 1734.61, name=TEXT, merchant_name=NAME, account_owner=NAME,
        payment_meta={"by_order_of": NAME, "payee": NAME, "payer": TEXT, "payment_method": None,
                      "payment_processor": None, "ppd_id": "987654321", "reason": TEXT,
                      "reference_number": "987654321"},
        location={"address": "Zwitschergasse 44", "city": "Lutetia", "region": None, "postal_code": "987654321",
                  "country": "DE", "lat": 52.516275, "lon": 13.377704, "store_number": None},
    ))  # fmt: skip
    fake.accounts[0]["balances"]["current"] = 90871.33
    connection.refresh()
    connection.refresh()
    assert_clean(connection, "52.516275", "13.377704")


def test_enable_banking(enablebanking):  # noqa: F811 - a fixture
    fake, connection = enablebanking
    fake.balances[0] = enablebanking_server.balance("90871.33", "CLBD")
    fake.pages = [[enablebanking_server.transaction(
        "1734.61", "DBIT", creditor={"name": NAME}, creditor_account={"iban": "DE89370400440532013000"},
        remittance_information=[TEXT, NAME], entry_reference="tok_Q7zR9canaryXk2",
    )]]  # fmt: skip
    connection.refresh()
    assert_clean(connection, enablebanking_server.APPLICATION, fake.session_id, *fake.uids)
    [recording] = connection.read()
    said = json.dumps([json.loads(one.content) for one in recording.exchanges if one.endpoint == "transactions"])
    assert re.search(r"DE\d{20}", said), "an IBAN stays one"


def test_gocardless(gocardless):  # noqa: F811 - a fixture
    fake, connection = gocardless
    fake.booked = [gocardless_server.transaction(
        "-1734.61", creditorName=NAME, remittanceInformationUnstructured=TEXT, transactionId="tok_Q7zR9canaryXk2",
        creditorAccount={"iban": "DE89370400440532013000"},
    )]  # fmt: skip
    connection.refresh()
    connection.refresh()
    assert_clean(connection, fake.requisition_id, *fake.account_ids, gocardless_server.IBAN, *fake.tokens)


@pytest.mark.parametrize("protocol", [1, 2])
def test_simplefin(sessions, user_id, protocol):
    with simplefin(sessions, user_id, two_accounts(), T) as (server, connection):
        server.bank.protocol = protocol
        account = server.bank.account("ACT-1")
        account.name, account.institution, account.opening = f"{NAME} (1234)", "Lutetia Savings", "90871.33"
        account.entries.append(
            Entry(id="tok_Q7zR9canaryXk2", amount="-1734.61", posted_at=T, description=TEXT, payee=NAME)
        )
        connection.refresh()
        connection.refresh()
        assert_clean(connection, server.password)


def test_an_error_page_with_a_name_in_it(gocardless):  # noqa: F811 - a fixture
    fake, connection = gocardless
    connection.config = connection.config.model_copy(update={"access_token": SecretStr("tok_Q7zR9canaryXk2")})
    fake.refused_ids = set(fake.account_ids)
    connection.refresh()
    assert_clean(connection)
