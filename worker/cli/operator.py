"""`finmind-worker operator`: makes a login for the operator's page, as a hash."""

import sys
from getpass import getpass
from typing import Annotated

import typer

from worker.cli.output import say
from worker.credentials.operators import login_line


def operator(name: Annotated[str, typer.Argument(metavar="NAME", help="The name in the audit.")]) -> None:
    """Ask for a password, or read it from standard input, and print the log-in for OPS_BASIC_AUTH."""
    password = getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    say(login_line(name, password))
