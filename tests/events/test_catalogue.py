"""Every type has a schema that its example fits; the page about events says what the schemas say."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker, ValidationError

from worker.errors import InvalidRequestError
from worker.events import API_VERSION, API_VERSIONS, check_data, event_id, event_types, parse_event_id, schema
from worker.events.page import render_page

DOCS = Path(__file__).parents[2] / "docs" / "events.md"
PROMISED = [
    "expense.created",
    "expense.updated",
    "expense.deleted",
    "import.completed",
    "import.failed",
    "connection.needs_user",
    "connection.consent_expiring",
    "connection.new_accounts",
    "bill.due",
    "reminder.sent",
    "webhook.test",
    "webhook.disabled",
]


def envelope(name: str) -> dict:
    return {
        "id": "evt_" + "0" * 32,
        "type": name,
        "api_version": API_VERSION,
        "occurred_at": "2026-11-22T12:00:00+00:00",
        "sequence": 1,
        "data": dict(event_types()[name].example),
    }


def test_the_catalogue_is_what_was_promised():
    assert sorted(event_types()) == sorted(PROMISED)


@pytest.mark.parametrize("name", PROMISED)
@pytest.mark.parametrize("version", API_VERSIONS)
def test_each_example_fits_its_schema(name, version):
    wanted = schema(name, version)
    Draft202012Validator.check_schema(wanted)
    Draft202012Validator(wanted, format_checker=FormatChecker()).validate(envelope(name))
    check_data(name, event_types()[name].example)


@pytest.mark.parametrize("name", PROMISED)
def test_every_field_says_what_it_is(name):
    for field, rule in event_types()[name].schema["properties"].items():
        assert rule["description"], field


def test_money_is_text_never_a_number():
    wrong = envelope("expense.created")
    wrong["data"]["amount"] = 12.5
    with pytest.raises(ValidationError):
        Draft202012Validator(schema("expense.created")).validate(wrong)
    with pytest.raises(InvalidRequestError, match="amount"):
        check_data("expense.created", wrong["data"])


@pytest.mark.parametrize(
    ("name", "change", "complaint"),
    [
        ("expense.createt", {}, "no event type"),
        ("expense.created", {"id": None}, "id must be integer"),
        ("expense.created", {"id": True}, "id must be integer"),
        ("expense.created", {"iban": "DE1"}, "unknown iban"),
        ("bill.due", {}, "missing"),
    ],
)
def test_the_cheap_check_names_what_does_not_fit(name, change, complaint):
    with pytest.raises(InvalidRequestError, match=complaint):
        check_data(name, dict(event_types()["expense.created"].example) | change)


def test_an_unknown_version_is_refused():
    with pytest.raises(InvalidRequestError, match="2020-01-01"):
        event_types("2020-01-01")


@given(st.uuids())
def test_event_ids_read_back(value):
    assert parse_event_id(event_id(value)) == parse_event_id(str(value)) == value
    assert "." not in event_id(value)


def test_the_page_is_current():
    assert DOCS.read_text() == render_page(), "run: python -m worker.events.page > docs/events.md"
