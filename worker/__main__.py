"""The way in, for `finmind-worker` and `python -m worker`: every command lives in `worker.cli`.

Only the probe has a short way, for it runs every few seconds beside each process: it asks
`worker.process.heartbeat_files` the same question as its command does, without loading the command line, which costs
ten times as much as the answer.
"""

import sys

from worker.process import heartbeat_files


def main() -> None:
    """Run the command line of this process."""
    match sys.argv[1:]:
        case ["healthcheck", component] if component in heartbeat_files.MAX_AGE_S:
            sys.exit(heartbeat_files.probe(component))
        case _:
            from worker.cli.main import main as whole  # noqa: PLC0415 - what the probe must not pay for

            whole()


if __name__ == "__main__":
    main()
