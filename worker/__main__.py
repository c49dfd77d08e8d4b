"""The way in, for `finmind-worker` and `python -m worker`: every command lives in `worker.cli`.

Only the probe has a short way, for it runs every few seconds beside each process: it asks
`worker.process.heartbeat_files` the same question as its command does, without loading the command line, which costs
ten times as much as the answer.
"""

import gc
import os
import signal
import sys
from contextlib import suppress

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until a command runs, Ctrl-C ends the process without a word

from worker.process import heartbeat_files  # noqa: E402 - what is imported takes time


def main() -> None:
    """Run the command line of this process."""
    match sys.argv[1:]:
        case ["healthcheck", component] if component in heartbeat_files.MAX_AGE_S:
            sys.exit(heartbeat_files.probe(component))
        case _:
            sys.exit(_run_command())


def _run_command() -> int:
    from worker.process.interruption import (  # noqa: PLC0415 - what the probe must not pay for
        StoppedByPersonError,
        expect_interrupts,
        pass_over_interrupts,
    )

    try:
        expect_interrupts()
        gc.disable()  # what is imported stays: to look for garbage in it is half of what a short command takes
        from worker.cli.main import main as whole  # noqa: PLC0415 - what the probe must not pay for

        code = whole()
        pass_over_interrupts()
    except StoppedByPersonError as stop:
        pass_over_interrupts()
        with suppress(OSError):  # nobody reads it any more
            sys.stdout.flush()
            sys.stderr.write(f"{stop.words}\n")
            sys.stderr.flush()
        os._exit(
            stop.exit_code
        )  # everything is closed; imports broken off half-way let Python's own end show tracebacks
    return code


if __name__ == "__main__":
    main()
