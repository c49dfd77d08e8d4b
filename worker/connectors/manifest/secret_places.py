"""Finds keys of a manifest that are not marked as secrets, and places where a secret would be seen. Pure."""

from collections.abc import Iterator

from worker.connectors.manifest.key_lines import Loc
from worker.connectors.manifest.login import ClientCredentialsAuth, RefreshTokenAuth, TokenRequestAuth
from worker.connectors.manifest.model import NAMED, Manifest, strings_of
from worker.connectors.manifest.places import Problem, located, read_paths

_KEYS = ("token", "password", "client_secret", "refresh_token")
"""Parts of `auth` that are secrets by their meaning."""


def secret_problems(manifest: Manifest) -> Iterator[Problem]:
    """Yield keys that are no secrets, and secrets that would be stored with the rows or stand in an address."""
    secret = {name for name, field in manifest.config.items() if field.secret}
    yield from _unmarked(manifest, secret)
    for loc, request in located(manifest):
        for name in set(NAMED.findall(request.path)) & secret:
            yield (*loc, "path"), f"{{{name}}} is a secret, which an address would show: send it in auth"
        for place, path in read_paths(request):
            if path.startswith("@config.") and path.removeprefix("@config.") in secret:
                yield (*loc, *place), f"{path} is a secret, which would be stored with the rows"


def _unmarked(manifest: Manifest, secret: set[str]) -> Iterator[Problem]:
    for loc, text in _key_texts(manifest):
        for name in set(NAMED.findall(text)) & manifest.config.keys() - secret:
            yield loc, f"{{{name}}} is a key: state config.{name}.secret = true"
    match manifest.auth:
        case ClientCredentialsAuth() | RefreshTokenAuth() | TokenRequestAuth() as made:
            if "{access_token}" not in "".join(strings_of(made.headers)):
                yield ("auth", "headers"), "the token that is made is sent nowhere: name {access_token} in a header"
        case _:
            pass
    for name in sorted(secret):
        if manifest.config[name].default is not None:
            yield ("config", name, "default"), "a secret has no default"


def _key_texts(manifest: Manifest) -> Iterator[tuple[Loc, str]]:
    for name, value in manifest.auth:
        if name in _KEYS and isinstance(value, str):
            yield ("auth", name), value
    if manifest.webhook:
        yield ("webhook", "signature", "secret"), manifest.webhook.signature.secret
    if manifest.auth.signature:
        yield ("auth", "signature", "secret"), manifest.auth.signature.secret
