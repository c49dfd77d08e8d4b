"""What a rejection keeps is read again: our own text by the importer, a record by its connector."""

import json
from dataclasses import replace
from decimal import Decimal

import httpx2
import pytest

from tests.connectors.test_odd_answers import CONFIGS, NOW
from tests.fakes.plaid_server import transaction as plaid_transaction
from tests.importer.bank import Harness, ScriptedConnector
from tests.importer.decide.rows import transaction
from worker.connectors.base import ConnectorContext, RejectedRow, TransactionKind
from worker.connectors.errors import InvalidDataError
from worker.connectors.registry import ConnectorRegistry
from worker.importer.decide.read.line import kept_transaction, transaction_as_text
from worker.runs.states import RunKind

PLAID = json.dumps(plaid_transaction("t1", 12.5) | {"pending": True, "date": "no day"})


def connector(name):
    connector_type = ConnectorRegistry().get(name)
    config = connector_type.Config.model_validate(CONFIGS[name])
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: httpx2.Response(500)))
    return connector_type(config, ConnectorContext(http=http, now=lambda: NOW))


@pytest.fixture
def harness(sessions, user_id):
    return Harness(sessions, user_id)


def reject(harness, raw):
    row = RejectedRow(code="bad_data", message="no amount", raw=raw, account_id="A", external_id="r")
    harness.bank.extra = {"rejected": (row,)}
    harness.refresh()
    harness.bank.extra = {}
    return harness.run_id


@pytest.mark.parametrize(
    "text",
    [PLAID, '{"id": "1", "posted": 0, "amount": "1", "pending": true}', '{"amount": "1"}', "[]", "2026-06-01;-7", "",
     "[" * 100_000],
    ids=["plaid", "simplefin", "without a state", "a list", "a line", "nothing", "too deep"],
)  # fmt: skip
def test_what_the_importer_did_not_write_is_none_of_its_texts(text):
    assert kept_transaction(text) is None


@pytest.mark.parametrize(
    "more",
    [
        {"raw": {"a": 1}, "stated_amounts": {"b": "2"}, "value_on": None},
        {"kind": TransactionKind.FEE, "booking_on": None, "booking_at": NOW, "pending": True, "description": ""},
    ],
)
def test_what_the_importer_wrote_is_read_as_it_was(more):
    written = replace(transaction(), **more)
    assert kept_transaction(transaction_as_text(written)) == written


def test_a_record_that_names_an_amount_of_its_own_is_read_by_its_connector(harness, monkeypatch):
    """Plaid states money out as a positive amount, which read as ours is income."""
    monkeypatch.setattr(ScriptedConnector, "read_rejected", lambda _, row: connector("plaid").read_rejected(row))
    failed = reject(harness, PLAID)
    assert harness.run(RunKind.REPLAY, target_run_id=failed).counts.created == 0
    assert harness.amounts() == []
    harness.sql("UPDATE bank_import_rejections SET raw = replace(raw, 'no day', '2026-06-10')")
    assert harness.run(RunKind.REPLAY, target_run_id=failed).counts.created == 1
    assert harness.amounts() == ["-12.50"]


def test_a_line_of_text_is_handed_to_its_connector(harness, monkeypatch):
    def read_line(_, row):
        return [transaction(row.raw.partition(";")[2], "Kiosk", account_id="A")]

    monkeypatch.setattr(ScriptedConnector, "read_rejected", read_line)
    harness.run(RunKind.REPLAY, target_run_id=reject(harness, "2026-06-01;-7"))
    assert harness.amounts() == ["-7.00"]


@pytest.mark.parametrize(
    "error", [InvalidDataError("no"), ValueError("no"), KeyError("no"), AttributeError("no"), RecursionError()]
)
def test_what_its_connector_cannot_read_stays_open_and_the_others_go_on(harness, monkeypatch, error):
    def read_other(_, row):
        if row.raw == "bad":
            raise error
        return [transaction("-7", "Kiosk", account_id="A")]

    monkeypatch.setattr(ScriptedConnector, "read_rejected", read_other)
    failed = reject(harness, "bad")
    harness.sql(
        "INSERT INTO bank_import_rejections (run_id, connection_id, account_id, identity, code, message, raw)"
        " SELECT run_id, connection_id, account_id, 'other', code, message, 'good' FROM bank_import_rejections"
    )
    assert harness.run(RunKind.REPLAY, target_run_id=failed).counts.created == 1
    assert harness.sql("SELECT raw FROM bank_import_rejections WHERE resolved_at IS NULL") == [("bad",)]


def test_a_row_of_simplefin_is_read_in_its_account():
    """It was taken for an account without transactions, and the rejection for mended."""
    raw = '{"id": "1", "posted": 1781000000, "amount": "-12.5", "description": "Kiosk"}'
    row = RejectedRow(code="bad_data", message="x", raw=raw, account_id="A", external_id="1")
    [read] = connector("simplefin").read_rejected(row)
    assert (read.account_id, read.amount, read.currency, read.pending) == ("A", Decimal("-12.5"), None, False)
    with pytest.raises(InvalidDataError):
        connector("simplefin").read_rejected(replace(row, account_id=None))


def test_a_row_of_gocardless_waits_for_the_banks_next_answer():
    row = RejectedRow(code="bad_data", message="x", raw='{"transactionId": "1"}', account_id="A", external_id="1")
    with pytest.raises(InvalidDataError, match="booked"):
        connector("gocardless").read_rejected(row)


def test_what_stays_open_is_replayed_as_the_bank_says_it_last(harness):
    row = harness.bank.buy("-7", "Kiosk", external_id="r", currency="??")
    harness.refresh()
    failed = harness.run_id
    harness.bank.change(row, amount=Decimal(-9))
    assert harness.refresh().counts.rejected == 0
    harness.sql("UPDATE bank_import_rejections SET raw = replace(raw, '??', 'EUR')")
    harness.run(RunKind.REPLAY, target_run_id=failed)
    assert harness.amounts() == ["-9.00"]
