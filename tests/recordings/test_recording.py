"""A body that a connector refuses is refused in the replay as well, and the file keeps every number and text."""

from datetime import UTC, datetime

import pytest

from worker.connectors.json_answers import read_json
from worker.connectors.simplefin import SimpleFinConnector
from worker.recordings.exchange import RecordedExchange
from worker.recordings.recording import RecordedRequest, RecordedRun, read, scrubbed, write


def recorded(body):
    run = RecordedRun(
        connector=SimpleFinConnector,
        worker="test",
        now=datetime(2026, 11, 20, 12, tzinfo=UTC),
        timezone="UTC",
        request=RecordedRequest(kind="refresh"),
        options={},
        currency="EUR",
        config=SimpleFinConnector.Config.model_validate({"access_url": "https://user:password@bank.test/simplefin"}),
        exchanges=[RecordedExchange(method="GET", endpoint="accounts", account_id=None, status=200, content=body)],
        outcome={},
        decisions=[],
    )
    [exchange] = read(write(scrubbed(run, b"secret"))).exchanges
    return exchange.content


@pytest.mark.parametrize(
    "body",
    [
        b'{"errors": [], "accounts": [{"id": "M\xfcller"}]}',
        b'{"accounts": [',
    ],
    ids=["not utf-8", "truncated"],
)
def test_what_is_no_json_to_the_connector_is_none_in_the_recording(body):
    with pytest.raises(ValueError):  # noqa: PT011 - json's own
        read_json(body)
    with pytest.raises(ValueError):  # noqa: PT011 - json's own
        read_json(recorded(body))


def test_a_deeply_nested_body_is_cut_as_the_connector_cuts_it():
    assert read_json(recorded(b"[" * 3000 + b"]" * 3000)) is not None


def test_a_text_never_becomes_a_number():
    assert read_json(recorded(b'{"errors": ["\\u000112.5"], "accounts": []}'))["errors"][0].startswith("\x01")


def test_letters_in_another_encoding_do_not_stay():
    assert b"\xfc" not in recorded(b'{"id": "M\xfcller"}')
