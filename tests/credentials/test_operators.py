"""Log-ins of operators: named, hashed, never open, and slow to guess."""

import base64

import pytest

from worker.credentials.operators import TooManyFailuresError, login_line, read_logins
from worker.errors import ConfigurationError


def basic(login: str | bytes) -> str:
    raw = login.encode() if isinstance(login, str) else login
    return "Basic " + base64.b64encode(raw).decode()


@pytest.mark.parametrize(
    "configured",
    ["", "  \n", ":", "user:", ":password", "user", "user:short", "a:long enough", "a:wonderful a:wonderful2"],
)
def test_a_setting_that_lets_everybody_in_or_says_nothing_is_refused(configured):
    with pytest.raises(ConfigurationError, match="OPS_BASIC_AUTH"):
        read_logins(configured)


@pytest.mark.parametrize("damaged", ["scrypt:", "scrypt:00:00", "scrypt:zz:zz", "scrypt:" + "0" * 64, "scrypt:::"])
def test_a_damaged_hash_is_refused(damaged):
    with pytest.raises(ConfigurationError, match="damaged"):
        read_logins(f"ann:{damaged}")


def test_operators_are_told_apart_by_name():
    logins = read_logins(login_line("ann", "correct horse battery") + "\n" + login_line("bob", "staple staple"))
    assert logins.name_of(basic("ann:correct horse battery")) == "ann"
    assert logins.name_of(basic("bob:staple staple")) == "bob"
    assert logins.name_of(basic("ann:staple staple")) is None


def test_a_hash_is_not_a_password():
    line = login_line("ann", "correct horse battery")
    assert read_logins(line).name_of(basic(line)) is None


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic ", "Basic \xe9\xe9", "Basic abc", "Bearer x", "Basic " + "A" * 5000, basic(b"\xff:\xff")],
)
def test_odd_headers_prove_nobody(header):
    assert read_logins("ann:wonderful").name_of(header) is None


def test_guessing_is_stopped_after_some_wrong_passwords_and_goes_on_a_minute_later():
    now_s = 0.0
    logins = read_logins("ann:wonderful")
    logins._now = lambda: now_s
    assert logins.name_of(basic("ann:wonderful")) == "ann"
    for number in range(30):
        assert logins.name_of(basic(f"ann:{number}")) is None
    with pytest.raises(TooManyFailuresError):
        logins.name_of(basic("bob:wonderful"))
    assert logins.name_of(basic("ann:wonderful")) == "ann"  # whoever is in stays in
    now_s = 61.0
    assert logins.name_of(basic("ann:wrong")) is None
