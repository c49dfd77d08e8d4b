"""What a transaction says, and what is rejected."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.importer.decide.rows import DAY, TRUSTED, UNTRUSTED, day, line, transaction
from worker.connectors.base import IdClass, TransactionKind
from worker.importer.decide.read.identity import content_key, id_identity
from worker.importer.decide.read.line import STATED_FIELDS, Line, Rejection, fingerprint, read_transaction, trusts_ids


def test_every_field_of_a_line_stands_in_its_place():
    """Lines are made by position, so each field has a value here that no other field has."""
    said = transaction(
        "-12.345",
        "Card payment",
        external_id="id-1",
        booking_on=day(2),
        value_on=day(1),
        transaction_on=DAY,
        currency="usd",
        counterparty="Trattoria",
        counterparty_account="DE02",
        kind=TransactionKind.CARD_PAYMENT,
        pending_external_id="id-0",
        reference="ref",
        stated_amounts={"fee": "0.30"},
        raw={"a": 1},
    )
    expected = {
        "identity": id_identity("id-1"),
        "external_id": "id-1",
        "content_key": content_key(
            day=day(2), amount=Decimal("-12.345"), currency="USD", texts=("Trattoria", "Card payment")
        ),
        "fingerprint": fingerprint(said, TRUSTED, TRUSTED.fingerprint_salt).fingerprint,
        "stated_on": day(2),
        "effective_on": DAY,
        "booking_on": day(2),
        "value_on": day(1),
        "transaction_on": DAY,
        "amount": Decimal("-12.345"),
        "currency": "USD",
        "description": "Card payment",
        "counterparty": "Trattoria",
        "counterparty_account": "DE02",
        "kind": TransactionKind.CARD_PAYMENT,
        "pending_external_id": "id-0",
        "reference": "ref",
        "stated_amounts": {"fee": "0.30"},
        "raw": {"a": 1},
        "pending": False,
        "expense_amount": Decimal("12.35"),
        "currency_stated": True,
    }
    read = read_transaction(said, TRUSTED)
    assert isinstance(read, Line)
    assert read._asdict() == expected
    assert set(STATED_FIELDS) < set(Line._fields)


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ({"balance_after": "10.00", "fee": "x"}, {"balance_after": "10.00", "fee": "x"}),
        ({"balance_after": "1E+1000000", "fee": "1"}, {"fee": "1"}),
        ({"balance_after": "no number"}, None),
        ({"balance_after": ""}, None),
        ({}, {}),
        (None, None),
    ],
    ids=str,
)
def test_a_balance_after_a_row_that_is_none_is_not_kept(stated, kept):
    """Queries read what is kept as a number; one that Postgres does not hold would end the run."""
    read = read_transaction(transaction(stated_amounts=stated), TRUSTED)
    assert isinstance(read, Line)
    assert read.stated_amounts == kept


REJECTED = {
    "not a number": ({"amount": "NaN"}, "amount_invalid"),
    "of very many decimals": ({"amount": f"-1.{'1' * 150}"}, "amount_invalid"),
    "larger than an expense holds": ({"amount": "12345678901"}, "amount_too_large"),
    "no currency there is": ({"currency": "XQQ"}, "currency_unknown"),
    "posted without a day": ({"booking_on": None}, "date_missing"),
}


@pytest.mark.parametrize(("fields", "code"), REJECTED.values(), ids=REJECTED)
def test_what_cannot_be_imported_is_a_rejection_with_its_reason(fields, code):
    read = read_transaction(transaction(**fields), TRUSTED)
    assert isinstance(read, Rejection)
    assert read.code == code
    assert "Coffee Bar" in read.raw


IDENTITIES = {
    "a trusted id": ("x", TRUSTED, id_identity("x")),
    "spaces around it": (" x ", TRUSTED, id_identity("x")),
    "an id that is not trusted": ("x", UNTRUSTED, None),
    "an empty id": ("", TRUSTED, None),
    "a blank id": ("  ", TRUSTED, None),
    "no id": (None, TRUSTED, None),
    "a session's id": ("x", replace(TRUSTED, namespace="s"), id_identity("x", "s")),
}


@pytest.mark.parametrize(("external_id", "context", "identity"), IDENTITIES.values(), ids=IDENTITIES)
def test_a_row_is_recognised_by_a_trusted_id_and_else_by_its_content(external_id, context, identity):
    assert line(external_id=external_id, context=context).identity == identity


CHANGES = {
    "amount": {"amount": "-3.51"},
    "day": {"booking_on": day(1)},
    "text": {"text": "Coffee"},
    "state": {"pending": True},
    "counterparty": {"counterparty": "Bar"},
    "kind": {"kind": TransactionKind.FEE},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_fingerprint_changes_with_what_the_bank_says(change):
    assert line(**change).fingerprint != line().fingerprint


def test_the_sign_of_an_inverted_account_is_turned_and_every_row_read_again():
    inverted = line("3.50", context=replace(TRUSTED, sign=-1))
    assert inverted.amount == Decimal("-3.50")
    assert inverted.fingerprint != line("3.50").fingerprint


@pytest.mark.parametrize("id_class", IdClass)
def test_only_stable_ids_and_ids_of_a_session_are_trusted(id_class):
    assert trusts_ids(id_class) == (id_class in {IdClass.STABLE, IdClass.SESSION})
