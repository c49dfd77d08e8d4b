"""Log-ins of operators: named, hashed, never open, and slow to guess."""

import base64

import pytest

from worker.credentials import operators
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


class Clock:
    """A clock that only waiting moves on."""

    now_s = 0.0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def logins(clock, monkeypatch):
    monkeypatch.setattr(operators, "_COST", 2)  # else the test hashes for ten seconds
    made = read_logins("ann:wonderful bob:marvellous")
    made._now, made._sleep = lambda: clock.now_s, clock.sleep
    return made


def guess(logins, count, peer=""):
    """Return what each of so many wrong passwords is answered."""
    answers = []
    for number in range(count):
        try:
            answers.append(logins.name_of(basic(f"ann:{number}"), peer.format(number)))
        except TooManyFailuresError:
            answers.append(429)
    return answers


def test_after_too_many_wrong_passwords_two_a_second_are_checked_and_the_right_one_opens(logins, clock):
    assert guess(logins, 40) == [None] * 30 + [429] * 10
    assert clock.now_s == pytest.approx(9 * 0.5)
    assert logins.name_of(basic("bob:marvellous")) == "bob"
    assert logins.name_of(basic("ann:wrong"), "192.0.2.7") is None
    clock.now_s += 60
    assert logins.name_of(basic("ann:wrong")) is None


def test_who_is_in_does_not_wait_in_a_flood(logins, clock):
    assert logins.name_of(basic("ann:wonderful")) == "ann"
    guess(logins, 40)
    begun_s = clock.now_s
    assert logins.name_of(basic("ann:wonderful")) == "ann"
    assert clock.now_s == begun_s


def test_guesses_from_ever_new_addresses_are_bounded_too(logins):
    assert guess(logins, 60, peer="192.0.2.{}") == [None] * 50 + [429] * 10
    assert logins.name_of(basic("bob:marvellous"), "198.51.100.1") == "bob"


def test_who_has_a_network_of_ipv6_is_one_peer(logins):
    assert guess(logins, 40, peer="2001:db8:1:2::{}") == [None] * 30 + [429] * 10
    assert logins.name_of(basic("ann:wrong"), "2001:db8:1:3::1") is None


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:1:2:3::4", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("a socket" * 10, ("a socket" * 10)[:64]),
    ],
)
def test_a_peer_is_an_address_or_a_network(peer, network):
    assert operators._network_of(peer) == network


def test_a_flood_from_addresses_that_come_again_lets_a_new_one_through_at_once(logins):
    assert guess(logins, 50, peer="192.0.2.{}") == [None] * 50
    waited_s = []
    logins._sleep = waited_s.append  # many at once: nobody has waited yet
    assert guess(logins, 50, peer="192.0.2.{}") == [429] * 50
    with pytest.raises(TooManyFailuresError):
        logins.name_of(basic("bob:marvellous"), "192.0.2.7")
    assert logins.name_of(basic("bob:marvellous"), "198.51.100.1") == "bob"
    assert waited_s[-1] == 0


def test_a_full_queue_of_peers_that_guess_keeps_nobody_else_waiting(logins):
    guess(logins, 30)
    logins._sleep = lambda _: None  # many at once: nobody has waited yet
    assert guess(logins, 10) == [429] * 10
    with pytest.raises(TooManyFailuresError):
        logins.name_of(basic("bob:marvellous"))
    assert logins.name_of(basic("bob:marvellous"), "192.0.2.7") == "bob"
