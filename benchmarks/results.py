"""Where the programs leave their figures: on the terminal and as JSON under benchmarks/results."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


def print_and_keep(name: str, figures: Mapping[str, Any]) -> None:
    """Print the figures of a program and keep them."""
    print(json.dumps(figures, indent=2))
    keep(name, figures)


def keep(name: str, figures: Mapping[str, Any]) -> None:
    """Keep the figures of a program as NAME.json; those of its last run are replaced."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
