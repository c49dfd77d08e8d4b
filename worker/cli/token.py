"""`finmind-worker token`: a token to try the HTTP API with, signed as FinMind would sign it."""

import time
import uuid
from typing import Annotated

import jwt
import typer

from worker.cli.environment import settings
from worker.cli.output import say
from worker.cli.users import require_user
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
    now_s = int(time.time())
    claims = {
        "sub": str(user),
        "type": "access",
        "fresh": False,
        "jti": uuid.uuid4().hex,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + minutes * 60,
    }
    say(jwt.encode(claims, secret.get_secret_value(), algorithm="HS256"))
