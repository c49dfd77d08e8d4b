"""Configs survive the blob as what they were, and say what no longer fits without showing it."""

import os
from datetime import date

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr

from worker.credentials import CredentialPlace, LocalKeyring, open_config, seal_config
from worker.credentials.envelope import EnvelopeVault
from worker.errors import CredentialError

PLACE = CredentialPlace(table="bank_connections", column="config_encrypted", user_id=7, row_id="a1", version=1)
VAULT = EnvelopeVault([LocalKeyring({"k1": os.urandom(32)})], primary_key_id="k1")


class Token(BaseModel):
    value: SecretStr
    expires_on: date | None = None


class Config(BaseModel):
    user: str = Field(alias="userName")
    password: SecretStr
    pin: SecretBytes = SecretBytes(b"0000")
    tokens: list[Token] = []
    extra: dict[str, SecretStr] = {}


class Later(BaseModel):
    password: int


def test_every_secret_comes_back_as_it_was():
    config = Config(
        userName="ada",
        password=SecretStr("pä55"),
        tokens=[Token(value=SecretStr("t"), expires_on=date(2027, 1, 1))],
        extra={"a": SecretStr("b")},
    )
    sealed = seal_config(VAULT, config, PLACE)
    assert open_config(VAULT, sealed.blob, PLACE, Config) == config


def test_a_model_that_changed_since_names_the_field_and_not_the_secret():
    sealed = seal_config(VAULT, Config(userName="ada", password=SecretStr("hunter2")), PLACE)
    with pytest.raises(CredentialError, match="does not fit Later any more: password") as caught:
        open_config(VAULT, sealed.blob, PLACE, Later)
    assert caught.value.__context__ is None
