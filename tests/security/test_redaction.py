"""Secrets in use are cut out of errors, logs and reports by their value, whatever they were called."""

import base64
import html
import json
import logging
import re
import urllib.parse

import pytest

from worker.audit import acting_as
from worker.connectors.errors import ProviderUnavailableError
from worker.redaction import REDACTED, redact, redact_all, remember, secrets_in_use
from worker.telemetry.logs import setup_logging

SECRET = "s3cr3t-canary/with=signs"


@pytest.fixture(autouse=True)
def _in_use():
    with secrets_in_use():
        remember([SECRET])
        yield


@pytest.mark.parametrize(
    "text",
    [f"before {SECRET} after", f"twice {SECRET}{SECRET}", "quoted s3cr3t-canary%2Fwith%3Dsigns in a URL"],
)
def test_a_secret_is_cut_out_wherever_it_stands(text):
    assert "canary" not in redact(text)
    assert REDACTED in redact(text)


@pytest.mark.parametrize(
    ("secret", "gives_away"),
    [
        ("https://user-4711:pass-4711@bank.test/api", ["user-4711", "pass-4711"]),
        ("-----BEGIN KEY-----\nMIIEvAIBADANBg\n-----END KEY-----", ["MIIEvAIBADANBg"]),
        ("http://[broken", ["http://[broken"]),
    ],
)
def test_parts_that_give_a_secret_away_are_secret_too(secret, gives_away):
    remember([secret])
    assert [redact(part) for part in gives_away] == [REDACTED] * len(gives_away)


@pytest.mark.parametrize(
    "repeat",
    [
        json.dumps,
        lambda secret: json.dumps(secret, ensure_ascii=False),
        lambda secret: json.dumps(secret).replace("/", "\\/"),
        repr,
        html.escape,
        urllib.parse.quote_plus,
        lambda secret: re.sub("%..", lambda sign: sign[0].lower(), urllib.parse.quote(secret, safe="")),
    ],
)
@pytest.mark.parametrize("secret", ['caf\xe9 "canary"/\\<&\'', "two words/canary\xe9"])
def test_a_secret_is_cut_out_as_banks_repeat_it(secret, repeat):
    remember([secret])
    assert "canary" not in redact(f"you sent {repeat(secret)}, which is wrong")


def test_a_login_is_cut_out_as_its_header_carries_it():
    remember(["https://user-4711:p%40ss-4711@bank.test/api"])
    header = base64.b64encode(b"user-4711:p@ss-4711").decode()
    assert redact(f"Authorization: Basic {header}") == f"Authorization: Basic {REDACTED}"


def test_short_values_are_words():
    remember(["mock"])
    assert redact("the mock bank") == "the mock bank"


def test_errors_are_clean_from_the_moment_they_are_made():
    assert str(ProviderUnavailableError(f"login {SECRET} refused")) == f"login {REDACTED} refused"


def test_reports_are_clean_with_their_keys():
    report = {"warnings": [f"x {SECRET}"], SECRET: 1, "count": 2}
    assert redact_all(report) == {"warnings": [f"x {REDACTED}"], REDACTED: 1, "count": 2}


@pytest.mark.parametrize("as_json", [True, False])
def test_log_lines_and_tracebacks_are_clean(capsys, as_json):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    setup_logging(level="DEBUG", json=as_json)
    try:
        logging.getLogger("library").debug("sending %s", SECRET)
        error = RuntimeError(SECRET)
        error.__cause__ = KeyError(SECRET)
        logging.getLogger("library").error("it broke", exc_info=error)
    finally:
        root.handlers, root.level = before
    told = capsys.readouterr().err
    assert "canary" not in told
    assert told.count(REDACTED) == 3
    assert "RuntimeError" in told
    assert not as_json or all(json.loads(line) for line in told.splitlines())


def test_what_was_in_use_is_forgotten_at_the_end_of_its_block():
    with secrets_in_use():
        assert redact(SECRET) == SECRET
        remember(["another-secret"])
    assert redact("another-secret") == "another-secret"
    assert redact(SECRET) == REDACTED


def test_whoever_acts_keeps_secrets_out_of_texts_until_the_end():
    with acting_as("cli:ada"):
        remember(["opened-meanwhile"])
        assert redact("opened-meanwhile") == REDACTED
    assert redact("opened-meanwhile") == "opened-meanwhile"
