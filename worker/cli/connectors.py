"""`finmind-worker connectors`: what is installed; write, check and try a connector that is one TOML file."""

import os
import re
from pathlib import Path
from typing import Annotated, Any

import typer

from worker.cli import manifest_trial
from worker.cli.connection_config import ConfigFileOption, ConfigOption
from worker.cli.failures import ExitCode
from worker.cli.output import JsonFlag, print_json, print_rows, say, say_each, write_between_marks
from worker.connectors.errors import ConnectorNotFoundError
from worker.connectors.manifest.checking.run import CheckOutcome, run_checks
from worker.connectors.manifest.loading import MANIFEST_NAME, load_manifest, skeleton
from worker.connectors.manifest.reference import reference
from worker.connectors.registry import ConnectorRegistry, InstalledConnector
from worker.errors import InvalidRequestError

app = typer.Typer(
    invoke_without_command=True, help="List the installed connectors; write, check and try one that is a TOML file."
)

_COLUMNS = ("name", "display_name", "ids", "pending", "history_days", "package", "problem")

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The manifest, a TOML file.")]


@app.callback()
def connectors(ctx: typer.Context, *, as_json: JsonFlag = False) -> None:
    """List the installed connectors; with a command: write, check or try one that is a TOML file."""
    if ctx.invoked_subcommand is not None:
        return
    registry = ConnectorRegistry(manifests=_directory())
    rows = [_describe(registry, connector) for connector in registry.installed]
    columns = [name for name in _COLUMNS if name not in ("package", "problem") or any(row.get(name) for row in rows)]
    print_rows(rows, columns, as_json=as_json, empty="no connector is installed")


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the connector and its file.")],
    *,
    directory: Annotated[Path, typer.Option("--directory", help="Where the file is written.")] = Path(),
) -> None:
    """Write NAME.toml: a commented manifest of an invented bank that passes every check, to be changed."""
    if not re.fullmatch(MANIFEST_NAME, name):
        raise InvalidRequestError("a connector's name has small letters, digits and underscores, such as my_bank")
    path = directory / f"{name}.toml"
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(skeleton(name))
    except FileExistsError:
        raise InvalidRequestError(f"{path} exists already") from None
    say(f"{path}: change it to what the bank's documentation says, then: finmind-worker connectors check {path}")


@app.command()
def check(path: FileArgument, *, as_json: JsonFlag = False) -> None:
    """Validate a manifest and run the whole conformance kit against a bank that is played from its samples."""
    manifest = load_manifest(path)
    outcomes = list(run_checks(manifest))
    failed = [one for one in outcomes if one.problem]
    if as_json:
        print_json([_as_record(one) for one in outcomes])
    else:
        for one in outcomes:
            say_each(_lines(one), indent=9)
        skipped = sum(one.skipped is not None for one in outcomes)
        passed = len(outcomes) - len(failed) - skipped
        notes = sum(len(one.notes) for one in outcomes)
        if notes:
            say(f"notes: {notes}, about what no sample shows, so that nothing proves it")
        say(f"{manifest.title}: {passed} passed, {len(failed)} failed, {skipped} do not apply")
    if failed:
        raise typer.Exit(ExitCode.FAILED)


@app.command("try")
def try_(
    path: FileArgument,
    *,
    config: ConfigOption = None,
    config_file: ConfigFileOption = None,
    days: Annotated[int, typer.Option("--days", min=1, max=3660, help="How many days up to today are read.")] = 30,
    as_json: JsonFlag = False,
) -> None:
    """Fetch once with your own keys and show the rows, to be compared with the bank's page. Nothing is stored."""
    manifest_trial.run(load_manifest(path), config, config_file, days=days, as_json=as_json)


@app.command()
def keys(
    *,
    page: Annotated[Path | None, typer.Option("--page", help="Write the tables into this file instead.")] = None,
) -> None:
    """Print every key of a manifest with its meaning, as docs/manifest.md has it."""
    if page is None:
        say(reference())
    else:
        write_between_marks(page, "keys", reference())


def _directory() -> Path | None:
    """Return where the operator's own manifests lie; the settings are not read, for they ask for a database."""
    found = os.environ.get("CONNECTOR_MANIFESTS")
    return Path(found) if found else None


def _lines(outcome: CheckOutcome) -> list[str]:
    if outcome.skipped:
        return [f"skipped  {outcome.check}: {outcome.skipped}"]
    said = [f"         {line}" for line in outcome.problems] + [f"         note: {line}" for line in outcome.notes]
    return [f"{'FAILED' if outcome.problems else 'passed'}   {outcome.check}", *said]


def _as_record(outcome: CheckOutcome) -> dict[str, Any]:
    return {
        "check": outcome.check,
        "problem": outcome.problem,
        "notes": list(outcome.notes),
        "skipped": outcome.skipped,
    }


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
