"""The shipped manifests: each one passes the whole kit, is described by the schema, and keeps to its own hosts."""

import json
import tomllib
from importlib import resources

import jsonschema
import pytest

from worker.connectors.manifest.checking.run import run_checks, spec_of
from worker.connectors.manifest.loading import json_schema, parse_manifest, shipped
from worker.connectors.registry import ConnectorRegistry
from worker.connectors.testing.checks import ALL_CHECKS

MANIFESTS = {name: parse_manifest(text, f"{name}.toml") for name, text in shipped().items()}


@pytest.mark.parametrize("name", MANIFESTS)
def test_every_check_of_the_kit_passes_or_says_why_it_does_not_apply(name):
    outcomes = {one.check: one.problem for one in run_checks(MANIFESTS[name]) if one.problem is not None}
    assert outcomes == {}


@pytest.mark.parametrize("name", MANIFESTS)
def test_no_check_is_left_out_by_hand(name):
    assert set(spec_of(MANIFESTS[name]).skip) <= {"ids_are_unique_in_an_account", "a_row_without_an_id_is_no_defect"}
    assert {one.check for one in run_checks(MANIFESTS[name])} >= {check.name for check in ALL_CHECKS}


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_schema_for_editors_describes_what_is_shipped(name):
    jsonschema.validate(json.loads(json.dumps(tomllib.loads(shipped()[name]), default=str)), json.loads(json_schema()))


def test_the_committed_schema_is_the_one_of_the_code():
    committed = (resources.files("worker.connectors.manifest") / "manifest.schema.json").read_text("utf-8")
    assert committed == json_schema()


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_registry_finds_it_by_its_name(name):
    connector = ConnectorRegistry().get(name)
    assert (connector.name, connector.display_name) == (name, MANIFESTS[name].title)
