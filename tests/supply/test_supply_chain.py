"""The lock is hashed, nothing in it is under the GPL, and the bill of materials says what it holds."""

import json
import tomllib
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.supply_chain import LOCK, bill_of_materials, is_gpl, licence_of, read_audit, read_lock

PINS = read_lock(LOCK.read_text())


@pytest.mark.parametrize("name", ["runtime.txt", "image.txt", "dev.txt"])
def test_every_pin_carries_hashes_and_no_index_address(name):
    text = (Path(LOCK).parent / name).read_text()
    assert len(read_lock(text)) > 50
    assert "http" not in text.replace("httpx", "").replace("httpcore", "").replace("-http", "")


def test_the_image_has_what_the_worker_and_its_api_need_at_the_versions_of_the_lock():
    project = tomllib.loads((Path(LOCK).parents[1] / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["api"]]
    image = read_lock((Path(LOCK).parent / "image.txt").read_text())
    assert set(image) < set(PINS)
    assert {canonicalize_name(Requirement(line).name) for line in wanted} <= {pin.name for pin in image}
    assert not {"boto3", "hvac", "opentelemetry-sdk"} & {pin.name for pin in image}


def test_a_pin_without_a_hash_is_refused():
    with pytest.raises(ValueError, match="celery has no hash"):
        read_lock("celery==5.7.0\n    # via finmind-worker\n")


def test_no_runtime_dependency_is_under_the_gpl():
    stated = {pin.name: licence_of(pin.name) for pin in PINS}
    assert [name for name, licence in stated.items() if licence is not None and is_gpl(licence)] == []
    assert sum(licence is None for licence in stated.values()) < 6, "almost all must be installed to be judged"
    assert "not stated" not in stated.values()


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", False),
        ("LGPL-3.0-only", False),
        ("GNU Library or Lesser General Public License (LGPL)", False),
        ("GPL-3.0-or-later", True),
        ("GPLv2", True),
        ("AGPL-3.0-only", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("GNU Affero General Public License v3", True),
        ("MIT OR GPL-2.0-only", False),
    ],
)
def test_licences_are_told_apart(licence, expected):
    assert is_gpl(licence) is expected


def test_the_bill_of_materials_is_valid_complete_and_reproducible():
    text = bill_of_materials(PINS)
    document = json.loads(text)
    assert {(part["name"], part["version"]) for part in document["components"]} == {
        (pin.name, pin.version) for pin in PINS
    }
    assert all(part["hashes"] and part["purl"].startswith("pkg:pypi/") for part in document["components"])
    assert text == bill_of_materials(PINS)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_a_service_that_knows_nothing_proves_nothing():
    answer = json.dumps({"dependencies": [{"name": "celery", "skip_reason": "not found"}], "fixes": []})
    found = read_audit(answer)
    assert (found.known, found.unknown, found.vulnerabilities) == (0, ("celery",), ())


def test_a_vulnerability_is_named_with_its_cure():
    vulnerable = {"name": "x", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}
    found = read_audit(json.dumps({"dependencies": [vulnerable, {"name": "y", "version": "1", "vulns": []}]}))
    assert (found.known, found.vulnerabilities) == (2, ("x 1: PYSEC-1, fixed in 2",))
