"""Keys from the environment or a file: made, read, and refused with a sentence that never shows them."""

import base64
import os
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from worker.credentials import CredentialPlace, ensure_key_file, generate_key, open_vault
from worker.credentials.local import parse_keys
from worker.errors import ConfigurationError

GOOD = generate_key()
PLACE = CredentialPlace(table="t", column="c", user_id=1, row_id="r", version=1)


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_a_generated_key_carries_its_day_and_is_accepted():
    entry = generate_key(datetime(2026, 11, 22, tzinfo=UTC))
    assert re.fullmatch(r"k2026-11-22-[0-9a-f]{4}:[A-Za-z0-9+/]{43}=", entry)
    assert len(parse_keys(f"{entry}, {GOOD}\n", source="X")) == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nonsense", "entry 1: not of the form"),
        (":" + encoded(os.urandom(32)), "entry 1: not of the form"),
        (f"{GOOD},a b:", "entry 2: not of the form"),
        ("k1:%%%", "entry 1 \\(k1\\): the key is not base64"),
        ("k1:" + encoded(os.urandom(16)), "the key has 16 bytes instead of 32"),
        (f"{GOOD},{GOOD}", "entry 2: the id .* is there twice"),
        (f"{GOOD},k2:{GOOD.partition(':')[2]}", "the same key is there under another id"),
        ("k1:" + encoded(bytes(32)), "this is a sample, not a secret"),
        ("k1:" + encoded(bytes(range(32))), "this is a sample, not a secret"),
        ("k1:" + encoded(b"change-me-" * 3 + b"ab"), "this is a sample, not a secret"),
        ("k1:" + encoded(b"0123456789abcdef0123456789abcdef"), "this is a sample, not a secret"),
    ],
    ids=[
        "no colon",
        "no id",
        "bad id",
        "not base64",
        "short",
        "same id",
        "same key",
        "zeros",
        "sequence",
        "typed text",
        "digits",
    ],
)
def test_a_wrong_entry_is_named_by_place_and_never_shown(text, sentence):
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        parse_keys(text, source="CREDENTIAL_KEYS")
    assert str(caught.value).startswith("CREDENTIAL_KEYS, entry")
    assert all(secret not in str(caught.value) for secret in re.findall(r"[A-Za-z0-9+/]{20,}", text))


def test_no_key_at_all_says_how_to_make_one(given):
    with pytest.raises(ConfigurationError, match="`finmind-worker keys generate` makes one"):
        open_vault(given())


def test_two_sources_at_once_are_refused(given, tmp_path):
    with pytest.raises(ConfigurationError, match="not both"):
        open_vault(given(credential_keys=GOOD, credential_keys_file=tmp_path / "keys"))


def test_an_unreadable_file_is_named(given, tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        open_vault(given(credential_keys_file=tmp_path / "absent"))
    (tmp_path / "binary").write_bytes(os.urandom(64) + b"\xff")
    with pytest.raises(ConfigurationError, match="not plain text"):
        open_vault(given(credential_keys_file=tmp_path / "binary"))


def test_the_first_key_seals_and_every_key_opens(given, tmp_path):
    old = open_vault(given(credential_keys=GOOD)).seal(b"secret", PLACE)
    file = tmp_path / "keys"
    file.write_text(f"{generate_key()}\n{GOOD}\n")
    vault = open_vault(given(credential_keys_file=file))
    assert vault.open(old.blob, PLACE) == b"secret"
    assert vault.seal(b"secret", PLACE).key_id == vault.primary_key_id != old.key_id


def test_the_key_file_is_private_and_made_once(given, tmp_path):
    path = ensure_key_file(tmp_path / "state" / "keys")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_text()
    assert ensure_key_file(path).read_text() == content
    assert [file.name for file in path.parent.iterdir()] == ["keys"]
    open_vault(given(credential_keys_file=path))


def test_two_processes_that_make_the_key_file_at_once_agree(tmp_path):
    program = (
        "import sys, pathlib; from worker.credentials import ensure_key_file;"
        " print(ensure_key_file(pathlib.Path(sys.argv[1])).read_text())"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "keys")], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert len({run.communicate()[0] for run in runs}) == 1
