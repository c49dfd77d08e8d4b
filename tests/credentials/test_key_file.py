"""The key file may change under running processes; what is wrong with it never stops them."""

import stat

import pytest

from worker.credentials import CredentialPlace, add_key, drop_key, ensure_key_file, open_vault
from worker.errors import ConfigurationError, NotFoundError

PLACE = CredentialPlace(table="t", column="c", user_id=1, row_id="r", version=1)


@pytest.fixture
def path(tmp_path):
    return ensure_key_file(tmp_path / "keys")


def test_a_key_put_first_seals_from_the_next_value_on_without_a_restart(given, path):
    running = open_vault(given(credential_keys_file=path))
    old = running.seal(b"secret", PLACE)
    key_id = add_key(path)
    assert running.seal(b"secret", PLACE).key_id == key_id == running.primary_key_id
    assert running.open(old.blob, PLACE) == b"secret"


def test_a_running_process_opens_what_another_sealed_under_a_key_it_has_not_seen(given, path):
    running = open_vault(given(credential_keys_file=path))
    add_key(path)
    assert running.open(open_vault(given(credential_keys_file=path)).seal(b"secret", PLACE).blob, PLACE) == b"secret"


@pytest.mark.parametrize("damage", [lambda file: file.write_text("k1:nonsense"), lambda file: file.unlink()])
def test_a_file_that_turns_wrong_changes_nothing(given, path, damage):
    running = open_vault(given(credential_keys_file=path))
    sealed = running.seal(b"secret", PLACE)
    damage(path)
    assert running.open(sealed.blob, PLACE) == b"secret"
    with pytest.raises(ConfigurationError):
        open_vault(given(credential_keys_file=path))


def test_a_retired_key_moves_to_the_file_beside_it(given, path):
    first = open_vault(given(credential_keys_file=path)).primary_key_id
    second = add_key(path)
    path.chmod(0o640)
    retired = drop_key(path, first)
    assert set(open_vault(given(credential_keys_file=path)).key_ids) == {second}
    assert retired.read_text().startswith(f"{first}:")
    assert [stat.S_IMODE(file.stat().st_mode) for file in (path, retired)] == [0o640, 0o600]
    with pytest.raises(NotFoundError):
        drop_key(path, first)


def test_a_damaged_file_is_not_made_worse(path):
    path.write_text("k1:nonsense\n")
    with pytest.raises(ConfigurationError):
        add_key(path)
    assert path.read_text() == "k1:nonsense\n"
    assert [file.name for file in path.parent.iterdir()] == ["keys"]
