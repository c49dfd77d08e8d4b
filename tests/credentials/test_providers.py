"""One contract for every key provider: the local keyring, AWS KMS (moto's server) and Vault's transit engine."""

import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.credentials.transit_server import TOKEN, TransitDouble
from worker.credentials import CredentialPlace, LocalKeyring
from worker.credentials.aws import AwsKms
from worker.credentials.cache import CachedKeyProvider
from worker.credentials.envelope import EnvelopeVault
from worker.credentials.providers import KeyProvider
from worker.credentials.transit import TransitServer, VaultTransit
from worker.errors import ConfigurationError, CredentialError, KeyProviderUnavailableError

PLACE = CredentialPlace(table="t", column="c", user_id=1, row_id="r", version=1)
REGION = "eu-central-1"


@pytest.fixture(scope="module")
def kms_address() -> Iterator[str]:
    moto_server = pytest.importorskip("moto.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def kms_keys(monkeypatch, kms_address) -> dict[str, str]:
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms_address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    client = boto3.client("kms", region_name=REGION)
    return {key_id: client.create_key()["KeyMetadata"]["Arn"] for key_id in ("k1", "k2")}


@pytest.fixture
def transit() -> Iterator[TransitDouble]:
    double = TransitDouble()
    yield double
    double.close()


@dataclass
class Case:
    provider: KeyProvider
    unreachable: Callable[[], KeyProvider] | None


@pytest.fixture(params=["local", "kms", "transit"])
def case(request, monkeypatch) -> Case:
    if request.param == "local":
        return Case(LocalKeyring({"k1": os.urandom(32), "k2": os.urandom(32)}), None)
    if request.param == "kms":
        keys = request.getfixturevalue("kms_keys")

        def down() -> KeyProvider:
            monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:1")
            return AwsKms(keys)

        return Case(AwsKms(keys), down)
    double = request.getfixturevalue("transit")
    keys = {"k1": "transit/one", "k2": "transit/two"}
    server = TransitServer(address=double.address, token=TOKEN)
    return Case(
        VaultTransit(keys, server), lambda: VaultTransit(keys, TransitServer(address="http://127.0.0.1:1", token="t"))
    )


def test_it_names_its_keys_in_the_order_given(case):
    assert tuple(case.provider.key_ids) == ("k1", "k2")


def test_a_data_key_is_256_bits_unlike_any_other_and_comes_back_from_its_wrapping(case):
    first, second = case.provider.new_data_key("k1"), case.provider.new_data_key("k1")
    assert len(first.plaintext) == 32
    assert first.plaintext != second.plaintext
    assert first.plaintext not in first.wrapped
    assert case.provider.unwrap("k1", first.wrapped) == first.plaintext
    assert repr(first.plaintext) not in repr(first)


def test_another_key_does_not_unwrap_it(case):
    wrapped = case.provider.new_data_key("k1").wrapped
    with pytest.raises(CredentialError) as caught:
        case.provider.unwrap("k2", wrapped)
    assert not isinstance(caught.value, KeyProviderUnavailableError)
    assert "k2" in str(caught.value)


@pytest.mark.parametrize(
    "noise",
    [b"", b"x", b"vault:v1:", b"vault:v9:AAAA", os.urandom(60)],
    ids=["nothing", "a byte", "no text", "unknown version", "random"],
)
def test_noise_is_a_wrong_key_and_no_crash(case, noise):
    with pytest.raises(CredentialError):
        case.provider.unwrap("k1", noise)


def test_a_changed_wrapping_does_not_unwrap(case):
    wrapped = bytearray(case.provider.new_data_key("k1").wrapped)
    wrapped[-3] = ord("A") if wrapped[-3] != ord("A") else ord("B")
    with pytest.raises(CredentialError):
        case.provider.unwrap("k1", bytes(wrapped))


def test_values_sealed_with_it_open_through_the_one_format(case):
    vault = EnvelopeVault([case.provider], primary_key_id="k2")
    sealed = vault.seal(b"secret", PLACE)
    assert sealed.key_id == "k2"
    assert vault.open(sealed.blob, PLACE) == b"secret"


@pytest.mark.parametrize("case", ["kms", "transit"], indirect=True)
def test_a_service_that_does_not_answer_is_told_apart_from_a_wrong_key(case):
    wrapped = case.provider.new_data_key("k1").wrapped
    provider = case.unreachable()
    for ask in (lambda: provider.new_data_key("k1"), lambda: provider.unwrap("k1", wrapped)):
        with pytest.raises(KeyProviderUnavailableError) as caught:
            ask()
        assert caught.value.code == "key_provider_down"


def test_values_of_every_provider_open_in_one_vault_so_that_moving_is_a_rotation(kms_keys, transit):
    local = LocalKeyring({"l1": os.urandom(32)})
    kms = AwsKms({"a1": kms_keys["k1"]})
    vault_transit = VaultTransit({"v1": "transit/one"}, TransitServer(address=transit.address, token=TOKEN))
    providers = [local, CachedKeyProvider(kms), CachedKeyProvider(vault_transit)]
    blobs = [EnvelopeVault(providers, primary_key_id=key_id).seal(b"s", PLACE).blob for key_id in ("l1", "a1", "v1")]
    vault = EnvelopeVault(providers, primary_key_id="v1")
    assert [vault.open(blob, PLACE) for blob in blobs] == [b"s"] * 3


def test_kms_binds_the_data_key_to_its_encryption_context(kms_keys):
    import boto3
    from botocore.exceptions import ClientError

    wrapped = AwsKms(kms_keys).new_data_key("k1").wrapped
    with pytest.raises(ClientError, match="InvalidCiphertext"):
        boto3.client("kms", region_name=REGION).decrypt(KeyId=kms_keys["k1"], CiphertextBlob=wrapped)


def test_a_kms_key_that_is_gone_or_out_of_reach_defers_instead_of_blaming_the_credential(kms_keys):
    gone = kms_keys["k1"].rpartition("/")[0] + "/00000000-0000-0000-0000-000000000000"
    with pytest.raises(KeyProviderUnavailableError, match="'k1': NotFoundException"):
        AwsKms({"k1": gone}).new_data_key("k1")


@pytest.mark.parametrize("name", ["alias/finmind", "1234abcd-12ab-34cd-56ef-1234567890ab", "arn:aws:s3:::x"])
def test_kms_keys_are_named_by_arn_because_an_alias_may_move(name):
    with pytest.raises(ConfigurationError, match="give the ARN of a key"):
        AwsKms({"k1": name})


def test_vault_keys_are_named_by_mount_and_name():
    with pytest.raises(ConfigurationError, match="give `mount/name`"):
        VaultTransit({"k1": "finmind"}, TransitServer(address="http://127.0.0.1:1"))


def test_a_sealed_vault_and_a_refused_token_defer(transit):
    provider = VaultTransit({"k1": "transit/one"}, TransitServer(address=transit.address, token="wrong"))
    with pytest.raises(KeyProviderUnavailableError, match="Forbidden"):
        provider.new_data_key("k1")
    transit.sealed = True
    with pytest.raises(KeyProviderUnavailableError, match="VaultDown"):
        provider.new_data_key("k1")


def test_a_token_that_an_agent_renews_is_picked_up(transit, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("old\n")
    provider = VaultTransit({"k1": "transit/one"}, TransitServer(address=transit.address, token_file=token_file))
    with pytest.raises(KeyProviderUnavailableError):
        provider.new_data_key("k1")
    token_file.write_text(TOKEN + "\n")
    assert provider.new_data_key("k1")
    token_file.unlink()
    with pytest.raises(KeyProviderUnavailableError, match="VAULT_TOKEN_FILE"):
        provider.new_data_key("k1")


def test_rotating_the_transit_key_inside_vault_keeps_old_data_keys_until_vault_refuses_them(transit):
    provider = VaultTransit({"k1": "transit/one"}, TransitServer(address=transit.address, token=TOKEN))
    old = provider.new_data_key("k1")
    transit.keys["one"].versions.append(os.urandom(32))
    assert provider.new_data_key("k1").wrapped.startswith(b"vault:v2:")
    assert provider.unwrap("k1", old.wrapped) == old.plaintext
    transit.keys["one"].min_decryption_version = 2
    with pytest.raises(CredentialError):
        provider.unwrap("k1", old.wrapped)


def test_an_answer_that_is_no_answer_is_a_service_that_is_down(transit, monkeypatch):
    provider = VaultTransit({"k1": "transit/one"}, TransitServer(address=transit.address, token=TOKEN))
    monkeypatch.setattr(transit, "answer", lambda *_: {"unexpected": True})
    with pytest.raises(KeyProviderUnavailableError):
        provider.new_data_key("k1")
