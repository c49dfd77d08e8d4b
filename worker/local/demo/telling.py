"""Prints the demo: progress bars and colours on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

Advance = Callable[[int, int, str], None]
"""Shows progress by done, total (0 while it is unknown) and words."""


class Teller:
    """Prints steps, tables and claims."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._began_at_s = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[Advance]:
        """Show a step while it runs, and then its duration."""
        if not self._console.is_terminal:
            began_at_s = time.monotonic()
            last = [""]
            yield lambda _done, _total, words: last.__setitem__(0, words)
            words = f": {last[0]}" if last[0] else ""
            self._console.print(f"{title}{words} ({time.monotonic() - began_at_s:.1f} s)", markup=False)
            return
        columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(bar_width=24))
        with Progress(*columns, TextColumn("{task.fields[words]}"), TimeElapsedColumn(), console=self._console) as bars:
            task = bars.add_task(title, total=None, words="")
            yield lambda done, total, words: bars.update(task, completed=done, total=total or None, words=words)
            bars.update(task, total=1, completed=1)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table with numbers aligned on the right."""
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for place, column in enumerate(columns):
            numeric = bool(rows) and not isinstance(rows[0][place], str)
            table.add_column(column, justify="right" if numeric else "left", header_style="bold")
        for row in rows:
            table.add_row(*("-" if cell is None else str(cell) for cell in row))
        self._console.print()
        self._console.print(table, markup=False)

    def claim(self, words: str, *, holds: bool) -> None:
        """Print a claim and whether it holds."""
        mark = "[green]✓[/green]" if holds else "[bold red]✗ NOT SO:[/bold red]"
        self._console.print(f"{mark} {words}")

    def say(self, words: str = "") -> None:
        """Print one line."""
        self._console.print(words, markup=False)

    def elapsed_s(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._began_at_s
