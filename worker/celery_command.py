"""The commands of Celery and Flower for this app: `python -m worker.celery_command worker --queues scheduled`.

They take the options of `celery worker`, `celery beat` and `celery flower`. The program `celery` loads the commands of
every package that registers some, Flower and an interactive shell among them, which costs each of its processes 25 MB.
Workers and beat also start without packages that libraries load wherever they are installed, which saves each 6 MB.
Nobody looks for garbage while a process loads what stays in it: two fifths of the time to begin.
"""

import gc
import sys
from importlib import import_module

import click
from celery.bin.base import CLIContext

COMMANDS = {"worker": "celery.bin.worker", "beat": "celery.bin.beat", "flower": "flower.command"}
"""Commands and their modules."""

UNUSED = ("greenlet", "msgpack", "opentelemetry.sdk.metrics", "rich", "tornado", "yaml")
"""What Celery, kombu, redis, structlog and tenacity would load and no worker uses; to them it is not installed.

It is to a connector of another package, which is loaded later.
"""


def main() -> None:
    """Run the command that the first argument names."""
    name, *arguments = sys.argv[1:] or [""]
    if name not in COMMANDS:
        sys.exit(f"usage: {sys.argv[0]} {{{','.join(COMMANDS)}}} OPTIONS")
    if name != "flower":
        sys.modules.update(dict.fromkeys(UNUSED))  # type: ignore[arg-type]  # None stands for what cannot be imported
    gc.disable()
    command = getattr(import_module(COMMANDS[name]), name)
    app = import_module("worker.app").app
    gc.freeze()
    gc.enable()
    import_module("celery.signals").celeryd_init.connect(_show_unused)  # when all is loaded, and before any fork
    context = CLIContext(app=app, no_color=True, workdir=None, quiet=True)
    group = click.Group(commands={name: command})  # Flower looks at the options of the group it belongs to
    group.main([name, *arguments], prog_name="celery", obj=context)


def _show_unused(**_details: object) -> None:
    for name in UNUSED:
        if name in sys.modules and sys.modules[name] is None:
            del sys.modules[name]


if __name__ == "__main__":
    main()
