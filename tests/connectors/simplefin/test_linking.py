"""The one-time claim of a setup token."""

import pytest
from pydantic import SecretStr

from tests.fakes.simplefin_server import Fault
from worker.connectors.base import AuthState
from worker.connectors.errors import (
    AuthenticationError,
    InvalidDataError,
    ProviderUnavailableError,
)
from worker.connectors.simplefin import SimpleFinConfig


def test_a_setup_token_is_claimed_once_and_becomes_an_access_url(connect, server):
    token = server.new_setup_token()
    config = connect(server, SimpleFinConfig(setup_token=SecretStr(token))).link()
    assert config.access_url.get_secret_value() == server.access_url
    assert config.setup_token is None
    assert server.claims == ["token-1"]
    assert connect(server, config).get_auth_status().state is AuthState.OK


def test_a_used_token_warns_that_somebody_else_may_have_it(connect, server):
    unlinked = SimpleFinConfig(setup_token=SecretStr(server.new_setup_token()))
    connect(server, unlinked).link()
    with pytest.raises(AuthenticationError, match="if not by you, disable it"):
        connect(server, unlinked).link()
    assert len(server.claims) == 2


def test_a_claim_whose_answer_is_lost_is_not_tried_again(connect, server):
    server.fail(Fault(hang=True, path="/claim/token-1"))
    with pytest.raises(ProviderUnavailableError):
        connect(server, SimpleFinConfig(setup_token=SecretStr(server.new_setup_token())), patience_s=0.5).link()
    assert server.claims == []


@pytest.mark.parametrize("answer", ["", "http://u:p@bank.test/x", "https://bank.test/x", "<html>"])
def test_a_claim_must_answer_with_a_secure_access_url(connect, server, answer):
    server.fail(Fault(status=200, body=answer.encode(), path="/claim/token-1"))
    with pytest.raises(InvalidDataError, match="the token is spent"):
        connect(server, SimpleFinConfig(setup_token=SecretStr(server.new_setup_token()))).link()


def test_linking_an_access_url_changes_nothing(connect, server):
    connector = connect(server)
    assert connector.link() is connector.config
    assert server.claims == []


def test_an_unclaimed_token_asks_for_the_user(connect, server):
    connector = connect(server, SimpleFinConfig(setup_token=SecretStr(server.new_setup_token())))
    assert connector.get_auth_status().state is AuthState.NEEDS_USER
