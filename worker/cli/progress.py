"""Shows how far a long command is to a person who watches; nothing where standard error is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from worker.inert_text import inert

Advance: TypeAlias = Callable[[int], None]
"""Called with each number of things that were done."""


@contextmanager
def progress(what: str, total: int | None = None, *, unit: str = "") -> Iterator[Advance]:
    """Show one line while the block runs, and remove it afterwards.

    Args:
        what: Words for what is done; they may hold a name that a person or a bank chose.
        total: How many things there are to do; None while nobody knows.
        unit: What is counted.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console  # noqa: PLC0415 - only for a person
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    counted = "{task.completed:,.0f}" + ("" if total is None else "/{task.total:,.0f}") + f" {unit}"
    words = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), words, BarColumn(bar_width=24), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, TextColumn(counted if unit else ""), transient=True, console=console) as shown:
        task = shown.add_task(inert(what), total=total)
        yield lambda done: shown.advance(task, done)
