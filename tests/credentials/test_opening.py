"""From settings to a vault: which key seals, and a sentence for everything that is missing."""

import pytest

from tests.credentials.transit_server import TOKEN, TransitDouble
from worker.credentials import CredentialPlace, generate_key, open_vault
from worker.errors import ConfigurationError

PLACE = CredentialPlace(table="t", column="c", user_id=1, row_id="r", version=1)
LOCAL = generate_key()


@pytest.fixture
def transit():
    double = TransitDouble()
    yield double
    double.close()


def remote(transit, **fields):
    return {
        "credential_transit_keys": "v1=transit/one, v2=transit/two",
        "vault_addr": transit.address,
        "vault_token": TOKEN,
        **fields,
    }


def test_moving_from_local_keys_to_vault_is_one_setting_and_a_rotation(given, transit):
    before = open_vault(given(credential_keys=LOCAL)).seal(b"secret", PLACE)
    vault = open_vault(given(**remote(transit, credential_keys=LOCAL, credential_primary_key="v1")))
    assert set(vault.key_ids) == {LOCAL.partition(":")[0], "v1", "v2"}
    assert vault.open(before.blob, PLACE) == b"secret"
    assert vault.seal(b"secret", PLACE).key_id == "v1"


def test_without_a_choice_the_first_local_key_seals_and_a_remote_one_where_there_is_none(given, transit):
    assert open_vault(given(**remote(transit, credential_keys=LOCAL))).primary_key_id == LOCAL.partition(":")[0]
    assert open_vault(given(**remote(transit))).primary_key_id == "v1"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"credential_transit_keys": "v1=transit/one"}, "VAULT_ADDR must say where Vault is"),
        ({"credential_transit_keys": "nonsense"}, "CREDENTIAL_TRANSIT_KEYS, entry 1: not of the form `id=name`"),
        ({"credential_transit_keys": "a=t/n,a=t/m"}, "entry 2: the id 'a' is there twice"),
        ({"credential_kms_keys": "a=alias/finmind"}, "give the ARN of a key"),
        ({"credential_keys": LOCAL, "credential_primary_key": "k9"}, "'k9' is not configured"),
    ],
)
def test_what_is_missing_is_said_in_one_sentence(given, fields, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        open_vault(given(**fields))
