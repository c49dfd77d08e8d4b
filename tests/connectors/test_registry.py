from importlib.metadata import EntryPoint

import pytest

from worker.connectors.base import BankConnector
from worker.connectors.errors import ConnectorNotFoundError
from worker.connectors.mock import MockConnector
from worker.connectors.registry import BUILT_IN, ENTRY_POINT_GROUP, ConnectorRegistry


class Nameless(BankConnector):
    pass


class Misnamed(MockConnector):
    name = "other"


def announced(name: str, target: str) -> ConnectorRegistry:
    return ConnectorRegistry([EntryPoint(name, target, ENTRY_POINT_GROUP)])


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_shipped_connector_loads_under_its_name(name):
    assert ConnectorRegistry().get(name).name == name


def test_names_are_listed_without_importing_anything():
    registry = announced("acme", "no_such_package:Connector")
    assert registry.names() == tuple(sorted([*BUILT_IN, "acme"]))


def test_an_unknown_name_says_what_there_is():
    with pytest.raises(ConnectorNotFoundError, match=r"no connector 'acme' is installed; there are: .*mock"):
        ConnectorRegistry([]).get("acme")


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        pytest.param("no_such_package:Connector", "cannot be imported: ModuleNotFoundError", id="missing-module"),
        pytest.param("json:NoSuchName", "cannot be imported: AttributeError", id="missing-class"),
        pytest.param("json:dumps", "it is not a BankConnector", id="not-a-connector"),
        pytest.param(f"{__name__}:Nameless", "it does not declare name, display_name, Config", id="undeclared"),
        pytest.param(f"{__name__}:Misnamed", "announced as 'acme' but calls itself 'other'", id="misnamed"),
    ],
)
def test_a_broken_package_is_named_and_the_others_still_work(target, problem):
    registry = announced("acme", target)
    with pytest.raises(ConnectorNotFoundError, match=problem):
        registry.get("acme")
    assert registry.get("mock") is MockConnector


def test_no_package_takes_over_a_shipped_name():
    registry = announced("mock", "evil:Connector")
    assert registry.get("mock") is MockConnector
    assert [connector.target for connector in registry.installed if connector.shadowed] == ["evil:Connector"]


@pytest.mark.parametrize(
    ("enabled", "offered", "refused"),
    [("", "simplefin", "mock"), ("mock, plaid", "mock", "simplefin"), ("all", "mock", "no_such")],
)
def test_users_are_offered_what_the_operator_enabled_and_the_mock_only_by_name(enabled, offered, refused):
    registry = ConnectorRegistry([])
    assert registry.get_offered(enabled, offered).name == offered
    with pytest.raises(ConnectorNotFoundError):
        registry.get_offered(enabled, refused)
