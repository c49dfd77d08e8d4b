"""Guesses of operators' passwords over a real socket: what a stranger writes into a header gets nobody in or out."""

import base64
import http.client

import pytest
import typer
from pydantic import SecretStr

from tests.api.serving import serving
from worker.api.app import create_app
from worker.cli.api import proxy_options
from worker.credentials import operators
from worker.runtime import open_runtime


@pytest.fixture
def app(settings, monkeypatch):
    monkeypatch.setattr(operators, "_COST", 2)
    return create_app(
        open_runtime(settings.model_copy(update={"ops_basic_auth": SecretStr("ada:wonderful")}), role="t")
    )


def status(port, password, claimed):
    """Log in with an address that the client claims to come from."""
    login = base64.b64encode(f"ada:{password}".encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/ops", headers={"Authorization": f"Basic {login}", "X-Forwarded-For": claimed})
    answer = connection.getresponse().status
    connection.close()
    return answer


def test_made_up_addresses_do_not_help_who_guesses_and_keep_no_operator_out(app):
    with serving(app, **proxy_options(None)) as port:
        guesses = [status(port, f"wrong{number}", f"198.51.100.{number}") for number in range(33)]
        assert guesses == [401] * 30 + [429] * 3
        assert status(port, "wonderful", "192.0.2.77") == 200


def test_the_proxy_that_is_trusted_names_the_peer_and_what_stood_before_it_is_not_believed(app):
    with serving(app, **proxy_options("127.0.0.1, 10.0.0.0/8")) as port:
        guesses = [status(port, f"wrong{number}", f"192.0.2.{number}, 198.51.100.1") for number in range(32)]
        assert guesses == [401] * 30 + [429] * 2
        assert status(port, "wrong", "198.51.100.2") == 401
        assert status(port, "wonderful", "198.51.100.1") == 200


@pytest.mark.parametrize("given", ["*", "10.0.0.1/8", "proxy.example", "127.0.0.1,,*"])
def test_a_proxy_that_is_no_address_is_refused(given):
    with pytest.raises(typer.BadParameter):
        proxy_options(given)
