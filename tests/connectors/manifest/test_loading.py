"""Where manifests come from, and what is said of a wrong one: file, line, key, and what is allowed."""

import sys

import pytest

from tests.connectors.manifest.banks import PAGED
from worker.connectors.errors import ConnectorNotFoundError
from worker.connectors.manifest.key_lines import KeyLines
from worker.connectors.manifest.loading import ManifestError, load_manifest, parse_manifest, shipped
from worker.connectors.registry import ConnectorRegistry

MINE = PAGED.replace('"paged"', '"mine"')


def test_a_manifest_of_the_directory_is_a_connector(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE)
    registry = ConnectorRegistry([], manifests=tmp_path)
    registry.check_manifests()
    assert "mine" in registry.names()
    assert registry.get("mine").display_name == "Paged bank"
    assert registry.get_offered("", "mine").name == "mine"


def test_a_manifest_of_an_installed_package_is_a_connector(tmp_path, monkeypatch):
    package, info = tmp_path / "mine_bank", tmp_path / "mine_bank-1.0.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.toml").write_text(MINE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine-bank\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[finmind_worker.manifests]\nmine = mine_bank\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = ConnectorRegistry([])
    (found,) = [one for one in registry.installed if one.name == "mine"]
    assert found.package == "mine-bank 1.0"
    assert registry.get("mine").name == "mine"
    sys.modules.pop("mine_bank", None)


def test_no_manifest_takes_over_a_shipped_name(tmp_path):
    (tmp_path / "plaid.toml").write_text(PAGED.replace('"paged"', '"plaid"'))
    registry = ConnectorRegistry([], manifests=tmp_path)
    assert registry.get("plaid").display_name == "Plaid"
    with pytest.raises(ManifestError, match="'plaid' is taken by a shipped connector"):
        registry.check_manifests()


def test_a_file_must_be_called_as_its_connector(tmp_path):
    (tmp_path / "other.toml").write_text(MINE)
    with pytest.raises(ConnectorNotFoundError, match=r":3: name: is 'mine', but the file is called other\.toml"):
        ConnectorRegistry([], manifests=tmp_path).get("other")


def test_one_wrong_manifest_stops_no_other_connector(tmp_path):
    (tmp_path / "mine.toml").write_text(MINE.replace("[promises]", "[promise]"))
    registry = ConnectorRegistry([], manifests=tmp_path)
    assert registry.get("mock").name == "mock"
    with pytest.raises(ConnectorNotFoundError, match=r"mine\.toml:\d+: promise: there is no such key"):
        registry.get("mine")


def test_a_directory_that_is_none_and_files_that_are_no_text_are_said(tmp_path):
    with pytest.raises(ManifestError, match=r"CONNECTOR_MANIFESTS: .* is no directory"):
        ConnectorRegistry([], manifests=tmp_path / "absent").check_manifests()
    (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ManifestError, match="cannot be read"):
        load_manifest(tmp_path / "mine.toml")
    (tmp_path / "large.toml").write_text("#" * 300_000)
    with pytest.raises(ManifestError, match="larger than"):
        load_manifest(tmp_path / "large.toml")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("manifest = 1", "manifest = 2", "manifest: must be one of 1"),
        ('id = "id"\nname', 'id = "i d"\nname', "'i d' is no path"),
        ('token = "{token}"', 'token = "{tokne}"', "auth.token: {tokne} names nothing that is known"),
        ('path = "/accounts"', 'path = "https://evil.test/accounts"', "'evil.test' is not declared"),
        ("[config.token]", "[config.account]", "config.account: a field's name has small letters"),
        ('ids = "stable"', 'ids = "permanent"', "promises.ids: must be one of 'stable', 'session'"),
        ('account = "account"\n', "", None),
        ('next = "next"', 'nxt = "next"', "transactions.paging.next: is missing"),
        ('format = "day"', 'format = "dy"', "is none of day, moment"),
        ('sign = "as_is"', 'out_when = { t = ["D"] }', "out_when and in_when belong together"),
        ('absent = "pending"', 'absent = "later"', "must be one of 'posted', 'pending', 'ignored'"),
        ('path = "amount"', 'path = "@account.kind"', "nothing of that name is kept of accounts"),
        ('description = "text"', 'description = "@config.token"', "@config.token is a secret, which would be stored"),
        ('path = "/accounts"', 'path = "/{token}/accounts"', "{token} is a secret, which an address would show"),
        ('booked = "balance"', "booked = 5", "accounts.fields.booked: must be a path, or a table with credit, debit"),
        ("state = { path", "state = { pth", "there is no such key, did you mean 'path'?"),
        ('base_url = "https://bank.test"', "base_url = 5", "base_url: must be a text, or a table with by, urls"),
        ("secret = true", "secret = false", "{token} is a key: state config.token.secret = true"),
        ('means = "allowance_spent"', 'means = "broken"', "means: must be one of"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(right, wrong, said):
    assert right in PAGED
    text = PAGED.replace(right, wrong)
    if said is None:
        assert parse_manifest(text, "bank.toml").name == "paged"
        return
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, "bank.toml")
    found = [line for line in str(caught.value).splitlines() if said in line]
    assert found, str(caught.value)
    number = int(found[0].split(":")[1])
    assert 1 <= number <= len(text.splitlines())


def test_a_made_token_that_is_sent_nowhere_is_refused():
    text = shipped()["pluggy"].replace("{access_token}", "{client_id}")
    with pytest.raises(ManifestError, match=r"auth\.headers: the token that is made is sent nowhere"):
        parse_manifest(text, "pluggy.toml")


def test_a_hook_that_nobody_announces_is_refused():
    text = PAGED.replace('description = "text"', 'description = { hook = "os.system" }').replace('"paged"', '"hooked"')
    with pytest.raises(ManifestError, match=r"no installed package announces the hook 'os\.system'"):
        from_manifest(text)


def from_manifest(text):
    from worker.connectors.manifest.connector import make_connector

    return make_connector(parse_manifest(text, "bank.toml"))


def test_keys_are_found_in_tables_lists_and_texts_of_several_lines():
    lines = KeyLines('a = 1\n[b]\nc = """\nd = 2\n"""\ne.f = 3\n[[g]]\nh = 1\n[g.i]\nj = 2\n[[g]]\nh = 3\n')
    asked = [("a",), ("b", "c"), ("b", "d"), ("b", "e", "f"), ("g", 0, "h"), ("g", 0, "i", "j"), ("g", 1, "h")]
    assert [lines.of(loc) for loc in asked] == [1, 3, 2, 6, 8, 10, 12]
    assert [lines.of(loc) for loc in (("g", 1, "x"), ("nowhere",))] == [11, 1]
