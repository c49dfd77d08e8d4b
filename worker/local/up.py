"""`finmind-worker up`: runs everything on this machine in one terminal, until Ctrl-C."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from worker.db.engine import open_engine
from worker.errors import ConfigurationError, WorkerError
from worker.local.missing_servers import start_servers
from worker.local.redis import free_port
from worker.local.sample_banks import BANKS, EMAIL, add_sample_banks
from worker.local.services import Command, commands
from worker.local.state import StateDirectory, claimed, private_files
from worker.local.supervisor import Supervisor
from worker.local.terminal_lines import Terminal
from worker.migrations.upgrading import upgrade
from worker.net.redis_address import open_redis
from worker.process.core_dumps import forbid_core_dumps
from worker.runtime import check_signing_secrets, read_operators, runtime
from worker.settings import OptionalSettings, Settings, load_settings

READY = "everything is up; Ctrl-C stops it"
_FOR_A_TERMINAL = {
    "LOG_FORMAT": "console",
    "PYTHONUNBUFFERED": "1",
    "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The options of `up`.

    Attributes:
        state_directory: Folder of Postgres, Redis and keys.
        flower, api: Whether to run them.
        demo: Whether to add a user with banks in every state, once.
    """

    state_directory: Path
    flower: bool = True
    api: bool = True
    demo: bool = False


def run_up(options: UpOptions, *, table: Callable[[Settings, UpOptions], Sequence[Command]] | None = None) -> None:
    """Start everything, run until INT, TERM or HUP, and stop everything. A failure is said before that, and raised.

    Args:
        table: Returns the processes to run beside the servers; by default the workers, beat, Flower and the API.

    Raises: ConflictError when another `up` holds the state directory, ConfigurationError when something cannot start or
    a port is in use, CrashLoopError when a process does not stay alive, StoppedByPersonError when a signal came before
    everything was started.
    """
    forbid_core_dumps()
    terminal = Terminal()
    supervisor = Supervisor(terminal)
    with supervisor.signals(), private_files(), ExitStack() as ending:
        try:
            state = ending.enter_context(claimed(options.state_directory))
            ending.push(partial(_stop, supervisor, terminal))
            if table is None:
                _refuse_taken_ports(options)
            _serve(state, supervisor, terminal, options, table or _commands, ending)
        except WorkerError as error:
            if supervisor.has_services:
                terminal.say("up", f"{error}; stopping everything")
            raise
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader is gone: stop without output


def _serve(
    state: StateDirectory,
    supervisor: Supervisor,
    terminal: Terminal,
    options: UpOptions,
    table: Callable[[Settings, UpOptions], Sequence[Command]],
    ending: ExitStack,
) -> None:
    made = start_servers(state, supervisor, terminal)
    os.environ.update(made)
    settings = load_settings()
    if options.api:
        check_signing_secrets(settings)
        read_operators(settings)
    lines = table(settings, options)
    _prepare(settings, terminal)
    if options.demo:
        _add_sample(settings, terminal)
    ending.enter_context(state.published(made))
    environment = {**_FOR_A_TERMINAL, **os.environ}
    for line in lines:
        supervisor.add(line.service(environment))
    where = _addresses(lines, state, made, sample=options.demo and settings.jwt_secret is not None)
    terminal.say("up", f"starting {len(lines)} processes; their addresses follow when they are ready")
    supervisor.run(when_ready=[*where, READY])


def _commands(settings: Settings, options: UpOptions) -> Sequence[Command]:
    authentication = settings.flower_basic_auth
    return commands(
        flower_port=settings.flower_port if options.flower else None,
        flower_basic_auth=authentication.get_secret_value() if authentication else None,
        api_port=settings.api_port if options.api and find_spec("fastapi") and find_spec("uvicorn") else None,
        sample_page=EMAIL if options.demo and settings.jwt_secret else None,
    )


def _refuse_taken_ports(options: UpOptions) -> None:
    """Check the ports before anything is started. Raises: ConfigurationError naming the variable of a used one."""
    ports = OptionalSettings()
    for wanted, name, port in ((options.flower, "flower", ports.flower_port), (options.api, "api", ports.api_port)):
        try:
            if wanted:
                free_port(port)
        except OSError:
            raise ConfigurationError(f"port {port} for {name} is in use; {name.upper()}_PORT chooses another") from None


def _prepare(settings: Settings, terminal: Terminal) -> None:
    """Upgrade the schema and check that the broker answers, before the processes start."""
    engine = open_engine(settings.database_url.get_secret_value(), role="up")
    try:
        upgrade(engine, on_revision=lambda name: terminal.say("up", f"revision {name} of the database is applied"))
    finally:
        engine.dispose()
    with open_redis(settings.redis_url.get_secret_value(), timeout_s=5) as broker:
        broker.ping()


def _add_sample(settings: Settings, terminal: Terminal) -> None:
    with runtime(settings, role="up") as opened:
        user_id = add_sample_banks(opened)
    if user_id is not None:
        terminal.say("up", f"added {len(BANKS)} made-up banks of user {user_id}, each in another state")


def _addresses(lines: Sequence[Command], state: StateDirectory, made: Mapping[str, str], *, sample: bool) -> list[str]:
    """Return where everything is and how to log in, in lines that fit a narrow terminal."""
    ports = {line.name: line.port for line in lines if line.port is not None}
    said = []
    if "api" in ports:
        api = f"http://127.0.0.1:{ports['api']}"
        said.append(f"the operator's page: {api}/ops")
        said += [f"a person's sample page: {api}/sample"] if sample else []
        said.append(f"the API: {api}/bank-connections, explained at {api}/docs")
    if "flower" in ports:
        said.append(f"Flower: http://127.0.0.1:{ports['flower']}")
    if ports and "OPS_BASIC_AUTH" in made:
        password = state.operator_login().partition(":")[2] if sys.stdout.isatty() else f"in {state.operator_password}"
        said.append(f"log in to the operator's page and Flower as operator, password {password}")
    if "api" in ports:
        said.append("a token for the API: finmind-worker token --user ID")
    return [
        *said,
        f"data is in {state.path}; finmind-worker finds it from here,",
        f"other programs by: set -a; . {state.addresses}; set +a",
    ]


def _stop(supervisor: Supervisor, terminal: Terminal, failed: type[BaseException] | None, *_: object) -> None:
    """Stop everything, and say so where that is the end: a failure has words of its own."""
    started_at_s = time.monotonic()
    supervisor.stop()
    if failed is None:
        terminal.say("up", f"everything is stopped (after {time.monotonic() - started_at_s:.1f} s)")
