"""Python functions that a manifest may point to by name: only those that an installed package announces.

A package announces one in the group `finmind_worker.manifest_hooks`; it is given the provider's record and returns
text, or None. A manifest in a directory can therefore run nothing that is not installed for this purpose.
"""

from collections.abc import Callable, Collection, Mapping
from importlib.metadata import entry_points
from typing import Any

from worker.connectors.manifest.loading import ManifestError

ENTRY_POINT_GROUP = "finmind_worker.manifest_hooks"

Hook = Callable[[Mapping[str, Any]], str | None]


def installed_hooks(names: Collection[str]) -> dict[str, Hook]:
    """Return the announced functions of these names. Raises: ManifestError for one that cannot be loaded."""
    found: dict[str, Hook] = {}
    for name in names:
        points = entry_points(group=ENTRY_POINT_GROUP, name=name)
        if not points:
            raise ManifestError(f"no installed package announces the hook '{name}' ({ENTRY_POINT_GROUP})")
        try:
            found[name] = next(iter(points)).load()
        except Exception as error:
            raise ManifestError(f"the hook '{name}' cannot be loaded ({type(error).__name__})") from error
    return found
