"""Puts the modules that `worker.client` imports into the distribution `finmind-worker-client`."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULES = (
    "worker/__init__.py",
    "worker/py.typed",
    "worker/client.py",
    "worker/db/__init__.py",
    "worker/db/pooler.py",
    "worker/db/prepared.py",
    "worker/db/uuid7.py",
    "worker/errors.py",
    "worker/events",
    "worker/models",
    "worker/outbox.py",
    "worker/redaction.py",
    "worker/runs/__init__.py",
    "worker/runs/attempt_log.py",
    "worker/runs/request.py",
    "worker/runs/states.py",
    "worker/runs/wake_up.py",
    "worker/telemetry/__init__.py",
    "worker/telemetry/latencies.py",
    "worker/telemetry/tracing.py",
)
"""Files and folders, relative to the repository; a test compares them with what is imported."""


class ClientModules(BuildHookInterface[Any]):
    """Takes the modules from the repository, or from the unpacked source distribution."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - as the base class
        """Add the modules to what is built."""
        home = Path(self.root)
        if not (home / "worker").is_dir():
            home = home.parent
        for module in MODULES:
            found = home / module
            files = sorted(found.rglob("*")) if found.is_dir() else [found]
            for file in files:
                if file.is_file() and file.suffix in {".py", ".json", ".typed"}:
                    build_data["force_include"][str(file)] = str(file.relative_to(home))
