"""One amount that no account can have is one rejection, whatever the connector: the rows beside it are imported."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.connectors.test_odd_answers import CONFIGS, NOW, SYNC, WINDOW
from tests.fakes.plaid_server import transaction
from tests.file.reader import read
from tests.importer.decide.rows import transaction as line_of_a_bank
from worker.connectors.base import ConnectorContext, Scope, SyncState
from worker.connectors.errors import InvalidDataError
from worker.connectors.json_answers import read_json
from worker.connectors.manifest.amounts import amount_reader
from worker.connectors.manifest.fields import Scene
from worker.connectors.manifest.values import AmountValue
from worker.connectors.registry import ConnectorRegistry
from worker.importer.decide.balances.running import day_ends, rows_with_balance
from worker.importer.decide.read.context import ReadContext
from worker.importer.decide.read.line import Line, Rejection, fingerprint, read_line

NO_NUMBER = ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "1e9999999999999999999", "-1E+99999999999999999999999"]
NO_MONEY = ["1E+1000000", "-1e1000000", "1e999999", "1E+200", "9" * 40, "-" + "9" * 40, "9" * 6000, "1e-1000000"]
NO_MONEY += ["1E-999999999", f"0.{'1' * 300}", f"-0.{'0' * 20_000}1"]
NOT_PLAIN = ["1_0.50", "1e3", "1E+3", "0x1F", "--5", "5-5"]
"""Texts that are no amount, though a programming language reads a number in some of them."""

BY_PEOPLE = ["1_000", ".5", "-.5", "5."]
"""Texts that a person may write for an amount in a table, and no API does."""

CONTEXT = ReadContext(zone=ZoneInfo("UTC"), today=date(2026, 11, 20), currency="EUR", trusted=True)
GOOD = ("-3.50", "-4.25")


def quoted(amounts):
    return [json.dumps(amount) for amount in amounts]


def simplefin(amounts):
    rows = ", ".join(
        f'{{"id": "{n}", "posted": 1763500000, "amount": {amount}, "description": "x"}}'
        for n, amount in enumerate(amounts)
    )
    return (
        '{"errors": [], "accounts": [{"id": "a", "name": "A", "currency": "EUR", "balance": "1.00",'
        f' "balance-date": 1763500000, "org": {{"domain": "bank.test"}}, "transactions": [{rows}]}}]}}'
    )


def plaid(amounts):
    rows = [json.dumps(transaction(f"t{n}", 1.0) | {"amount": "AMOUNT"}) for n, _ in enumerate(amounts)]
    filled = [row.replace('"AMOUNT"', amount) for row, amount in zip(rows, amounts, strict=True)]
    return json.dumps(SYNC | {"added": "ROWS"}).replace('"ROWS"', f"[{', '.join(filled)}]")


def gocardless(amounts):
    rows = ", ".join(
        f'{{"transactionId": "{n}", "bookingDate": "2026-11-0{n + 1}", "transactionAmount": {{"amount": {amount},'
        f' "currency": "EUR"}}, "balanceAfterTransaction": {{"balanceAmount": {{"amount": {amount}}}}}}}'
        for n, amount in enumerate(amounts)
    )
    return f'{{"transactions": {{"booked": [{rows}], "pending": []}}}}'


def lunchflow(amounts):
    rows = ", ".join(
        f'{{"id": "{n}", "accountId": 1, "date": "2026-11-0{n + 1}", "amount": {amount}, "currency": "EUR",'
        ' "merchant": "x", "description": "x"}'
        for n, amount in enumerate(amounts)
    )
    account = '{"id": 1, "name": "A", "institution_name": "B", "provider": "p", "currency": "EUR", "status": "ACTIVE"}'
    return f'{{"accounts": [{account}], "transactions": [{rows}], "total": {len(amounts)}}}'


BODIES = {
    "simplefin": (simplefin, str),
    "plaid": (plaid, None),
    "gocardless": (gocardless, str),
    "lunchflow": (lunchflow, None),
}
"""By connector its answer, and whether it writes amounts as text."""


def pages_of(name, body):
    connector_type = ConnectorRegistry().get(name)
    config = connector_type.Config.model_validate(CONFIGS.get(name, {"api_key": "k"}))
    with httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=body.encode()))) as http:
        connector = connector_type(config, ConnectorContext(http=http, now=lambda: NOW))
        account_id = "1" if connector.capabilities.fetch_scope == Scope.ACCOUNT else None
        if connector.capabilities.cursor_scope is not None:
            return list(connector.refresh(SyncState(account_id=account_id, cursor=None, window=WINDOW)))
        return list(connector.get_transactions(account_id, WINDOW.from_on, WINDOW.to_on))


def read_by_the_importer(transactions, context=CONTEXT):
    """Read rows as an import does, their balances too; return what became lines and how many were refused."""
    marked = [fingerprint(one, context, context.fingerprint_salt) for one in transactions]
    day_ends(rows_with_balance(marked, context), with_start=True)
    found = [read_line(one, context) for one in marked]
    return [one for one in found if isinstance(one, Line)], sum(isinstance(one, Rejection) for one in found)


ODD = NO_NUMBER + NO_MONEY
NO_JSON = ("-NaN", "sNaN")
FORMS = [("text", odd) for odd in [*ODD, *NOT_PLAIN, *BY_PEOPLE]] + [
    ("number", odd) for odd in ODD if odd not in NO_JSON
]


@pytest.mark.parametrize(("form", "odd"), FORMS, ids=lambda text: text[:24])
@pytest.mark.parametrize("name", BODIES)
def test_an_odd_amount_is_one_rejection(name, form, odd):
    body, as_text = BODIES[name]
    good = quoted(GOOD) if as_text else list(GOOD)
    middle = json.dumps(odd) if form == "text" else odd
    pages = pages_of(name, body([good[0], middle, good[1]]))
    refused = sum(len(page.rejected) for page in pages)
    lines, rejected = read_by_the_importer([row for page in pages for row in page.transactions])
    assert len(lines) == 2
    assert refused + rejected == 1


@pytest.mark.parametrize("name", [name for name, (_, as_text) in BODIES.items() if not as_text])
def test_a_number_of_json_may_have_an_exponent(name):
    rows = [row for page in pages_of(name, BODIES[name][0](["1e3", "-1.5E+2"])) for row in page.transactions]
    assert sorted(abs(row.amount) for row in rows) == [150, 1000]


AMOUNTS = st.one_of(
    st.decimals(allow_nan=True, allow_infinity=True),
    st.builds(
        lambda digits, exponent: Decimal((0, (digits,), exponent)), st.integers(0, 9), st.integers(-(10**9), 10**9)
    ),
    st.builds(Decimal, st.from_regex(r"\A-?[0-9]{1,60}(\.[0-9]{1,150})?\Z")),
    st.sampled_from([Decimal("sNaN"), Decimal("-0"), Decimal("-0.00"), Decimal("0E+999999"), Decimal("0E-999999")]),
)


@given(AMOUNTS, st.sampled_from([1, -1]))
def test_any_number_a_connector_hands_over_is_a_line_or_a_rejection(amount, sign):
    context = ReadContext(zone=CONTEXT.zone, today=CONTEXT.today, currency="EUR", trusted=False, sign=sign)
    odd = replace(line_of_a_bank(), amount=amount, stated_amounts={"balance_after": str(amount)})
    lines, rejected = read_by_the_importer([line_of_a_bank(), odd], context)
    assert len(lines) + rejected == 2
    assert len(lines) >= 1


@pytest.mark.parametrize(
    ("odd", "as_number"),
    [(odd, False) for odd in [*ODD, *NOT_PLAIN, *BY_PEOPLE]] + [(odd, True) for odd in ODD],
    ids=lambda said: str(said)[:24],
)
@pytest.mark.parametrize(
    "value",
    [{"path": "a"}, {"path": "x.a"}, {"path": "a", "unit": "minor"}, {"path": "a", "unit": "minor", "decimals": 4},
     {"path": "a", "sign": "flipped"}, {"first": ["b", "a"]}, {"debit": "a", "credit": "b"}],
    ids=str,
)  # fmt: skip
def test_a_manifest_refuses_an_odd_amount_in_every_form(value, odd, as_number):
    reader = amount_reader(AmountValue.model_validate(value))
    found = Decimal(odd) if as_number and "99999999999" not in odd[:24] else odd
    with pytest.raises(InvalidDataError):
        reader({"a": found, "x": {"a": found}}, Scene(), "EUR")


FILES = {
    "csv": "Date,Amount,Description\n2026-11-01,-3.50,x\n2026-11-02,{},y\n2026-11-03,-4.25,z\n",
    "qif": "!Type:Bank\nD2026-11-01\nT-3.50\nPx\n^\nD2026-11-02\nT{}\nPy\n^\nD2026-11-03\nT-4.25\nPz\n^\n",
}


@pytest.mark.parametrize("odd", [*ODD, *NOT_PLAIN], ids=lambda text: text[:24])
@pytest.mark.parametrize("kind", FILES)
def test_an_odd_amount_of_a_file_is_one_rejection(tmp_path, kind, odd):
    path = tmp_path / f"a.{kind}"
    path.write_text(FILES[kind].format(odd))
    reading = read(path)
    lines, rejected = read_by_the_importer(reading.rows)
    assert (len(lines), len(reading.rejected) + rejected) == (2, 1)


def test_numbers_that_none_can_be_are_read_as_text():
    read_numbers = read_json(f"[NaN, -Infinity, 1e9999999999999999999, {'9' * 5000}, 7, 1.50]".encode())
    assert read_numbers == ["NaN", "-Infinity", "1e9999999999999999999", "9" * 5000, 7, Decimal("1.50")]
