"""`finmind-worker`: finds the command, runs it, and turns every failure into one line, a hint and an exit code."""

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from worker import __version__
from worker.cli.command_line import running
from worker.cli.failures import Failure, explain
from worker.cli.output import say
from worker.process.core_dumps import forbid_core_dumps
from worker.process.interruption import raise_stop_again

COMMANDS = {
    "up": "worker.cli.local:up",
    "demo": "worker.cli.local:demo",
    "db": "worker.cli.db:app",
    "connectors": "worker.cli.connectors:app",
    "connections": "worker.cli.connections:app",
    "import": "worker.cli.imports:import_",
    "refresh": "worker.cli.imports:refresh",
    "files": "worker.cli.files:app",
    "users": "worker.cli.users:app",
    "accounts": "worker.cli.accounts:app",
    "transactions": "worker.cli.transactions:app",
    "runs": "worker.cli.runs:app",
    "institutions": "worker.cli.institutions:institutions",
    "replay": "worker.cli.recordings:replay",
    "rejections": "worker.cli.rejections:app",
    "suggestions": "worker.cli.suggestions:app",
    "status": "worker.cli.status:status",
    "keys": "worker.cli.keys:app",
    "webhooks": "worker.cli.webhooks:app",
    "api": "worker.cli.api:api",
    "token": "worker.cli.token:token",
    "operator": "worker.cli.operator:operator",
    "settings": "worker.cli.settings:settings",
    "healthcheck": "worker.cli.healthcheck:healthcheck",
}
"""Every command and where it lives: a function for one command, a Typer for a group. Imported when it is used, so that
a probe that runs every few seconds pays for nothing else."""


class LazyGroup(TyperGroup):
    """The commands of `COMMANDS`, each imported on its first use."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own context
        """Return the names in the order of the story."""
        for name in COMMANDS:
            self.get_command(ctx, name)
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401, ARG002
        """Return the command of this name, imported now; None when there is none."""
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            command = _load(COMMANDS[cmd_name])
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> Any:  # type: ignore[override]  # noqa: ANN401
        """Find the command; the suggestion for a typing error needs all names."""
        if args[0] not in COMMANDS:
            self.list_commands(ctx)
        return super().resolve_command(ctx, args)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"finmind-worker {__version__}")
        raise typer.Exit


app = typer.Typer(cls=LazyGroup, no_args_is_help=True)


@app.callback()
def finmind_worker(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show where a failure happened.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """FinMind's bank worker: imports bank transactions as expenses, exactly once."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code: 0 done, 1 failed, 2 wrong usage, 3 done in part."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with running(given):
            code = typer.main.get_command(app).main(args=given, prog_name="finmind-worker", standalone_mode=False)
    except Exception as error:
        raise_stop_again()
        if "--debug" in given[:1]:
            raise
        return _report(explain(error))
    return code if isinstance(code, int) else 0


def main() -> int:
    """Run the command line of this process and return its exit code."""
    forbid_core_dumps()  # commands open credentials, and read secrets that people type
    return run()


def _load(target: str) -> Any:  # noqa: ANN401 - typer's command type is private
    module_name, attribute = target.split(":")
    found = getattr(import_module(module_name), attribute)
    if not gc.isenabled():  # as `worker.__main__` left it
        gc.freeze()
        gc.enable()
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    single = typer.Typer(add_completion=False)
    single.command()(found)
    return typer.main.get_command(single)


def _report(failure: Failure) -> int:
    if failure.message:
        say(failure.message, err=True)
    if failure.hint:
        say(f"hint: {failure.hint}", err=True)
    return failure.exit_code
