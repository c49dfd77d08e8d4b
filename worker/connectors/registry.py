"""Finds connector classes by name: shipped here, announced by installed packages, or made from manifests.

A package announces a class in the group `finmind_worker.connectors` and a manifest in `finmind_worker.manifests`;
the operator's own manifests lie in a directory. Nothing is imported before it is asked for, so that a broken
package does not affect the others.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from worker.connectors.base import BankConnector
from worker.connectors.errors import ConnectorNotFoundError
from worker.connectors.manifest.connector import make_connector
from worker.connectors.manifest.loading import ManifestError, list_directory, load_manifest, parse_manifest, shipped
from worker.errors import ConfigurationError

ENTRY_POINT_GROUP = "finmind_worker.connectors"
MANIFEST_GROUP = "finmind_worker.manifests"
"""An entry point `name = "package"` announces the file `name.toml` in that package."""

_CLASSES: Mapping[str, str] = {
    "enablebanking": "worker.connectors.enablebanking:EnableBankingConnector",
    "file": "worker.connectors.file:FileConnector",
    "gocardless": "worker.connectors.gocardless:GoCardlessConnector",
    "mock": "worker.connectors.mock:MockConnector",
    "plaid": "worker.connectors.plaid:PlaidConnector",
    "simplefin": "worker.connectors.simplefin:SimpleFinConnector",
}
BUILT_IN: Mapping[str, str] = {**_CLASSES, **{name: f"{name}.toml" for name in shipped()}}
"""Shipped connectors: name to `module:class` or manifest. Their names cannot be taken over by another package."""

FOR_TRIALS = frozenset({"mock"})
"""Connectors that users are offered only where the operator says so."""

_DECLARATIONS = ("name", "display_name", "Config", "capabilities")


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledConnector:
    """A connector that is announced, whether or not it can be loaded.

    Attributes:
        package: The distribution it comes from, with its version; None for the shipped ones.
        shadowed: The name is taken by a shipped connector or by another package, so this one is not used.
        manifest: The file it is made from, or the package that holds it; None for a class.
    """

    name: str
    target: str
    package: str | None = None
    shadowed: bool = False
    manifest: Path | str | None = None


class ConnectorRegistry:
    """Finds connectors by name; classes are imported on first use and kept.

    Args:
        announced: entry points of connectors; None: those of installed packages.
        manifests: directory with the operator's own manifests.
    """

    def __init__(self, announced: Iterable[EntryPoint] | None = None, manifests: Path | None = None) -> None:
        self._announced = announced
        self._manifests = manifests
        self._loaded: dict[str, type[BankConnector]] = {}

    @cached_property
    def installed(self) -> tuple[InstalledConnector, ...]:
        """Every announced connector by name, the shipped ones first among equals."""
        found = [
            InstalledConnector(name=name, target=target, manifest=None if name in _CLASSES else "")
            for name, target in BUILT_IN.items()
        ]
        everything = entry_points()  # reads a file of every installed package, whatever it is asked for
        points = everything.select(group=ENTRY_POINT_GROUP) if self._announced is None else self._announced
        candidates = [_describe(point) for point in points if BUILT_IN.get(point.name) != point.value]
        candidates += [_describe(point, manifest=point.value) for point in everything.select(group=MANIFEST_GROUP)]
        for candidate in (*sorted(candidates, key=lambda one: (one.name, one.target)), *self._own()):
            taken = any(other.name == candidate.name for other in found)
            found.append(replace(candidate, shadowed=taken))
        return tuple(sorted(found, key=lambda connector: connector.name))

    def check_manifests(self) -> None:
        """Read the operator's own manifests. Raises: ManifestError naming file, line and what is wrong."""
        for connector in self._own():
            if connector.name in BUILT_IN:
                raise ManifestError(f"{connector.target}: the name '{connector.name}' is taken by a shipped connector")
            _from_manifest(connector)

    def _own(self) -> Iterator[InstalledConnector]:
        for path in list_directory(self._manifests) if self._manifests else ():
            yield InstalledConnector(name=path.stem, target=str(path), manifest=path)

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
        """Return the names that users may link.

        Args:
            enabled: As CONNECTORS_ENABLED has them.
        """
        named = {name.strip() for name in enabled.split(",") if name.strip()}
        if not named:
            return tuple(name for name in self.names() if name not in FOR_TRIALS)
        return self.names() if "all" in named else tuple(name for name in self.names() if name in named)

    def check_enabled(self, enabled: str) -> None:
        """Refuse names that nothing has. Raises: ConfigurationError.

        Args:
            enabled: As CONNECTORS_ENABLED has them.
        """
        named = {name.strip() for name in enabled.split(",") if name.strip()} - {"all"}
        unknown = sorted(named - set(self.names()))
        if unknown:
            known = ", ".join(self.names())
            raise ConfigurationError(f"CONNECTORS_ENABLED: no connector {unknown[0]!r} is installed; there are {known}")

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


def _describe(point: EntryPoint, manifest: str | None = None) -> InstalledConnector:
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else None
    return InstalledConnector(name=point.name, target=point.value, package=package, manifest=manifest)


def _load(connector: InstalledConnector) -> type[BankConnector]:
    origin = f"connector {connector.name!r} ({connector.package or connector.target})"
    if connector.manifest is not None:
        try:
            return _from_manifest(connector)
        except (ManifestError, OSError, ModuleNotFoundError) as error:
            raise ConnectorNotFoundError(f"{origin} cannot be used: {error}") from error
    try:
        loaded = EntryPoint(connector.name, connector.target, ENTRY_POINT_GROUP).load()
    except Exception as error:
        raise ConnectorNotFoundError(f"{origin} cannot be imported: {type(error).__name__}: {error}") from error
    problem = _problem_with(loaded, connector.name)
    if problem:
        raise ConnectorNotFoundError(f"{origin} cannot be used: {problem}")
    assert isinstance(loaded, type)
    return loaded


def _from_manifest(connector: InstalledConnector) -> type[BankConnector]:
    """Make the connector of a manifest. Raises: ManifestError; OSError and ImportError where its file is missing."""
    if isinstance(connector.manifest, Path):
        manifest = load_manifest(connector.manifest)
    elif connector.manifest:
        text = (resources.files(connector.manifest) / f"{connector.name}.toml").read_text("utf-8")
        manifest = parse_manifest(text, f"{connector.manifest}/{connector.name}.toml")
    else:
        manifest = parse_manifest(shipped()[connector.name], connector.target)
    if manifest.name != connector.name:
        raise ManifestError(f"{connector.target}: is found as '{connector.name}' but calls itself '{manifest.name}'")
    return make_connector(manifest)


def _problem_with(loaded: object, name: str) -> str | None:
    if not (isinstance(loaded, type) and issubclass(loaded, BankConnector)):
        return "it is not a BankConnector"
    missing = [declaration for declaration in _DECLARATIONS if not hasattr(loaded, declaration)]
    if missing:
        return f"it does not declare {', '.join(missing)}"
    if loaded.name != name:
        return f"it is announced as {name!r} but calls itself {loaded.name!r}"
    return None
