"""`finmind-worker token`: makes a token for trying the HTTP API, signed as FinMind does it."""

from typing import Annotated

import typer

from worker.cli.environment import settings
from worker.cli.output import say
from worker.cli.users import require_user
from worker.credentials.access_tokens import make_access_token
from worker.errors import ConfigurationError


def token(
    *,
    user: Annotated[int, typer.Option("--user", min=1, metavar="ID", help="FinMind's user id.")],
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=60, help="How long it is valid.")] = 15,
) -> None:
    """Print a token for one user, to try the HTTP API with."""
    secret = settings().jwt_secret
    if secret is None:
        raise ConfigurationError("JWT_SECRET is not set; `finmind-worker up` makes one for this machine")
    require_user(user)
    say(make_access_token(user, secret.get_secret_value(), minutes=minutes))
