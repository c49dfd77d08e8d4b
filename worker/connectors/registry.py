"""Finds connector classes by name, both those shipped here and entry points of installed packages.

A package announces a connector in the group `finmind_worker.connectors`; nothing is imported before it is asked for,
so that one broken package stops nobody else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points

from worker.connectors.base import BankConnector
from worker.connectors.errors import ConnectorNotFoundError

ENTRY_POINT_GROUP = "finmind_worker.connectors"

BUILT_IN: Mapping[str, str] = {
    "enablebanking": "worker.connectors.enablebanking:EnableBankingConnector",
    "file": "worker.connectors.file:FileConnector",
    "gocardless": "worker.connectors.gocardless:GoCardlessConnector",
    "mock": "worker.connectors.mock:MockConnector",
    "plaid": "worker.connectors.plaid:PlaidConnector",
    "simplefin": "worker.connectors.simplefin:SimpleFinConnector",
}
"""Shipped connectors: name to `module:class`. Their names cannot be taken over by another package."""

FOR_TRIALS = frozenset({"mock"})
"""Connectors that users are offered only where the operator says so."""

_DECLARATIONS = ("name", "display_name", "Config", "capabilities")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledConnector:
    """A connector that is announced, whether or not it can be loaded.

    Attributes:
        package: The distribution it comes from, with its version; None for the shipped ones.
        shadowed: The name is taken by a shipped connector or by another package, so this one is not used.
    """

    name: str
    target: str
    package: str | None = None
    shadowed: bool = False


class ConnectorRegistry:
    """Finds connectors by name; classes are imported on first use and kept."""

    def __init__(self, announced: Iterable[EntryPoint] | None = None) -> None:
        self._announced = announced
        self._loaded: dict[str, type[BankConnector]] = {}

    @cached_property
    def installed(self) -> tuple[InstalledConnector, ...]:
        """Every announced connector by name, the shipped ones first among equals."""
        found = [InstalledConnector(name=name, target=target) for name, target in BUILT_IN.items()]
        points = entry_points(group=ENTRY_POINT_GROUP) if self._announced is None else self._announced
        for point in sorted(points, key=lambda point: (point.name, point.value)):
            if BUILT_IN.get(point.name) != point.value:
                taken = any(other.name == point.name for other in found)
                found.append(_describe(point, shadowed=taken))
        return tuple(sorted(found, key=lambda connector: connector.name))

    def names(self) -> tuple[str, ...]:
        """Return the names that `get` knows, in alphabetical order; nothing is imported."""
        return tuple(connector.name for connector in self.installed if not connector.shadowed)

    def get(self, name: str) -> type[BankConnector]:
        """Return the class behind `name`.

        Raises: ConnectorNotFoundError when nothing of that name is installed or what is installed cannot be used.
        """
        if name not in self._loaded:
            self._loaded[name] = _load(self._find(name))
        return self._loaded[name]

    def offered(self, enabled: str) -> tuple[str, ...]:
        """Return the names that users may link. enabled: as CONNECTORS_ENABLED has them."""
        named = {name.strip() for name in enabled.split(",") if name.strip()}
        if not named:
            return tuple(name for name in self.names() if name not in FOR_TRIALS)
        return self.names() if "all" in named else tuple(name for name in self.names() if name in named)

    def get_offered(self, enabled: str, name: str) -> type[BankConnector]:
        """Return the class behind `name` where users may link it. Raises: ConnectorNotFoundError."""
        if name not in self.offered(enabled):
            raise ConnectorNotFoundError(f"no connector {name!r} is offered here: CONNECTORS_ENABLED")
        return self.get(name)

    def _find(self, name: str) -> InstalledConnector:
        for connector in self.installed:
            if connector.name == name and not connector.shadowed:
                return connector
        raise ConnectorNotFoundError(f"no connector {name!r} is installed; there are: {', '.join(self.names())}")


def _describe(point: EntryPoint, *, shadowed: bool) -> InstalledConnector:
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else None
    return InstalledConnector(name=point.name, target=point.value, package=package, shadowed=shadowed)


def _load(connector: InstalledConnector) -> type[BankConnector]:
    origin = f"connector {connector.name!r} ({connector.package or connector.target})"
    try:
        loaded = EntryPoint(connector.name, connector.target, ENTRY_POINT_GROUP).load()
    except Exception as error:
        raise ConnectorNotFoundError(f"{origin} cannot be imported: {type(error).__name__}: {error}") from error
    problem = _problem_with(loaded, connector.name)
    if problem:
        raise ConnectorNotFoundError(f"{origin} cannot be used: {problem}")
    assert isinstance(loaded, type)
    return loaded


def _problem_with(loaded: object, name: str) -> str | None:
    if not (isinstance(loaded, type) and issubclass(loaded, BankConnector)):
        return "it is not a BankConnector"
    missing = [declaration for declaration in _DECLARATIONS if not hasattr(loaded, declaration)]
    if missing:
        return f"it does not declare {', '.join(missing)}"
    if loaded.name != name:
        return f"it is announced as {name!r} but calls itself {loaded.name!r}"
    return None
