"""The login at a provider's own page (OAuth2 authorization code): its address, and what a manifest has to say. Pure."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from worker.connectors.http import is_secure
from worker.connectors.manifest.key_lines import Loc
from worker.connectors.manifest.login import BrowserLogin, RefreshTokenAuth, addresses, chosen_address
from worker.connectors.manifest.model import NAMED, Manifest
from worker.connectors.manifest.request_filling import fill_known

Problem = tuple[Loc, str]

SENT_BY_US = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")
"""Parameters of the page that no manifest sets."""


def login_page(
    link: BrowserLogin,
    client_id: str,
    values: Mapping[str, str | None],
    *,
    redirect_url: str,
    state: str,
    verifier: str,
) -> str:
    """Return the address of the page that asks a person.

    Args:
        client_id: id of the operator's application.
        values: the config's values, as `params` name them.
        redirect_url: where the provider sends the person back to, as registered there.
        state: comes back with the person.
        verifier: proves later that the code was made for us; its hash stands in the address.
    """
    params = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_url, "state": state}
    if link.scope:
        params["scope"] = link.scope
    params |= fill_known(link.params, values)
    if link.pkce:
        params |= {"code_challenge": _challenge(verifier), "code_challenge_method": "S256"}
    parts = urlsplit(chosen_address(link.url, values))
    query = "&".join(part for part in (parts.query, urlencode(params)) if part)
    return urlunsplit(parts._replace(query=query, path=parts.path or "/"))


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def link_problems(manifest: Manifest) -> Iterator[Problem]:
    """Yield what a login in the browser lacks, with its place in the file."""
    link = manifest.link
    if link is None:
        return
    if manifest.linked_by != "browser":
        yield ("linked_by",), 'with [link] a person is sent to the provider: linked_by = "browser"'
    for url in addresses(link.url):
        if not is_secure(url):
            yield ("link", "url"), f"'{url}' is no https address"
    yield from _parameters(manifest, link)
    yield from _fields(manifest)


def _parameters(manifest: Manifest, link: BrowserLogin) -> Iterator[Problem]:
    for name, text in link.params.items():
        if name in SENT_BY_US:
            yield ("link", "params", name), f"'{name}' is sent without a word; scopes stand in scope"
        for named in NAMED.findall(text):
            if named not in manifest.config:
                yield ("link", "params", name), f"{{{named}}} names no config field"
            elif manifest.config[named].secret:
                yield ("link", "params", name), f"{{{named}}} is a secret, which the address of a page would show"


def _fields(manifest: Manifest) -> Iterator[Problem]:
    for name, declared in manifest.config.items():
        if declared.by == "person" and not declared.optional and declared.default is None:
            yield ("config", name), 'with [link] no form is filled in: by = "operator", optional = true, or a default'
    if not isinstance(manifest.auth, RefreshTokenAuth):
        yield ("auth", "kind"), '[link] brings a refresh token: kind = "oauth2_refresh_token"'
        return
    kept = manifest.auth.refresh_token.strip("{}")
    if kept in manifest.config and manifest.config[kept].by != "worker":
        yield ("config", kept, "by"), 'the login brings it: by = "worker"'
