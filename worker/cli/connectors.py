"""`finmind-worker connectors`: what is installed, and what each one can do."""

from typing import Any

from worker.cli.output import JsonFlag, print_rows
from worker.connectors.errors import ConnectorNotFoundError
from worker.connectors.registry import ConnectorRegistry, InstalledConnector

_COLUMNS = ("name", "display_name", "ids", "pending", "history_days", "package", "problem")


def connectors(*, as_json: JsonFlag = False) -> None:
    """List the installed connectors."""
    registry = ConnectorRegistry()
    rows = [_describe(registry, connector) for connector in registry.installed]
    columns = [name for name in _COLUMNS if name not in ("package", "problem") or any(row.get(name) for row in rows)]
    print_rows(rows, columns, as_json=as_json, empty="no connector is installed")


def _describe(registry: ConnectorRegistry, installed: InstalledConnector) -> dict[str, Any]:
    known = {"name": installed.name, "package": installed.package}
    if installed.shadowed:
        return {**known, "problem": "the name is taken by another connector"}
    try:
        connector = registry.get(installed.name)
    except ConnectorNotFoundError as error:
        return {**known, "problem": str(error)}
    can = connector.capabilities
    return {
        **known,
        "display_name": connector.display_name,
        "ids": str(can.id_class),
        "pending": can.pending,
        "history_days": can.history_days,
        "config": connector.Config.model_json_schema(),
    }
