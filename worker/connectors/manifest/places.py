"""Where in a manifest its requests stand, and which places of records they read. Pure."""

from collections.abc import Iterable, Iterator
from typing import Any

from worker.connectors.manifest.key_lines import Loc
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.requests import ManifestRequest

Problem = tuple[Loc, str]
"""Where in the file something does not fit, and what."""


def located(manifest: Manifest) -> Iterator[tuple[Loc, ManifestRequest]]:
    """Yield every request with its place in the file."""
    alone = {"status": manifest.status, "parents": manifest.parents, "changes": manifest.changes}
    for section, request in {**alone, "revoke": manifest.revoke}.items():
        if request is not None:
            yield (section,), request
    many: dict[str, Iterable[ManifestRequest]]
    many = {"accounts": manifest.accounts, "balances": manifest.balances, "transactions": manifest.transactions}
    for section, requests in many.items():
        for number, request in enumerate(requests):
            yield (section, number), request


def paths_of(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - any value of a field
    """Return every place that a value reads."""
    single: str | None = getattr(value, "path", None)
    several: tuple[str, ...] = getattr(value, "paths", ())
    return several or ((single,) if single else ())


def read_paths(request: ManifestRequest) -> Iterator[Problem]:
    """Yield every place that the fields and the kept values of a request read, with where it is said."""
    for name, path in getattr(request, "keep", {}).items():
        yield ("keep", name), path
    for name, value in getattr(request, "fields", ()):
        for path in paths_of(value):
            yield ("fields", name), path


def listed(names: Iterable[str]) -> str:
    """Return names in order, for a sentence."""
    return ", ".join(sorted(names)) or "none"
