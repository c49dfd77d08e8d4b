import pytest

from worker.connectors.config import parse_config
from worker.connectors.mock import MockConfig, MockConnector
from worker.errors import InvalidRequestError


def test_a_wrong_config_is_explained_field_by_field_without_its_values():
    with pytest.raises(InvalidRequestError) as caught:
        parse_config(MockConnector, {"mode": "canary", "accounts": 0, "tokn": "canary"})
    message = str(caught.value)
    assert message.startswith("config of mock: ")
    assert {"mode", "accounts", "tokn"} <= {part.split(":")[0] for part in message[16:].split("; ")}
    assert "canary" not in message
    assert caught.value.__cause__ is None


def test_every_field_of_the_mock_is_documented():
    assert all(field.description for field in MockConfig.model_fields.values())
