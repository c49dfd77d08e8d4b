"""The base of configs keeps secrets out of the places an object usually leaks into."""

import copy
import pickle
import traceback

import pytest
from pydantic import SecretStr, ValidationError

from worker.connectors.config import ConnectorConfig

CANARY = "hunter2-canary"


class Config(ConnectorConfig):
    user: str = "ada"
    password: SecretStr


def test_no_text_form_shows_a_value():
    config = Config(user=CANARY, password=SecretStr(CANARY))
    texts = (
        repr(config),
        str(config),
        f"{config}",
        f"{config.password!r}",
        config.model_dump_json(include={"password"}),
    )
    assert all(CANARY not in text for text in texts)
    assert repr(config) == "Config(password, user)"


def test_pickling_is_refused_and_copying_is_not():
    config = Config(password=SecretStr(CANARY))
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(config)
    assert copy.deepcopy(config) == config.model_copy() == config


def test_a_misspelt_secret_is_refused_without_being_shown():
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"pasword": CANARY, "password": CANARY})
    assert CANARY not in "".join(traceback.format_exception(caught.value))
