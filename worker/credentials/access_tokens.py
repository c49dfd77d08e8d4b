"""Makes access tokens as FinMind's web app does it, for trying the HTTP API."""

import time
import uuid

import jwt


def make_access_token(user_id: int, secret: str, *, minutes: int) -> str:
    """Return a token that the API accepts.

    Args:
        user_id: FinMind's user.
        secret: JWT_SECRET.
        minutes: How long it is valid.
    """
    now_s = int(time.time())
    claims = {
        "sub": str(user_id),
        "type": "access",
        "fresh": False,
        "jti": uuid.uuid4().hex,
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + minutes * 60,
    }
    return jwt.encode(claims, secret, algorithm="HS256")
