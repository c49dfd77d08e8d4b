"""How a manifest says what a connection needs to know, where the provider is, and how it is logged in to."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from worker.connectors.manifest.values import ManifestPart, Moment, Path

Texts = dict[str, str]


def host_of(url: str) -> str:
    """Return the host of an address; empty for what is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class ConfigField(ManifestPart):
    """One thing a connection needs to know."""

    title: str = Field(description="What a form calls it.")
    help: str = Field(default="", description="A sentence below the field.")
    link: str | None = Field(default=None, description="Where it is found.")
    by: Literal["person", "operator", "worker"] = Field(
        default="person", description="Who fills it in; `worker`: kept by the connector itself."
    )
    secret: bool = Field(default=False, description="Sealed, and shown nowhere.")
    optional: bool = Field(default=False, description="May be left out.")
    default: str | None = Field(default=None, description="Its value when it is left out.")
    choices: tuple[str, ...] = Field(default=(), description="The only values it may have.")

    @model_validator(mode="after")
    def _default_is_a_choice(self) -> Self:
        if self.choices and self.default is not None and self.default not in self.choices:
            raise ValueError(f"default '{self.default}' is none of the choices {', '.join(self.choices)}")
        return self


class BaseUrls(ManifestPart):
    """Addresses to choose from by a config field."""

    by: str = Field(description="The config field that chooses.")
    urls: Texts = Field(description="Value of the field = address.")

    def chosen(self, values: Mapping[str, str | None]) -> str:
        """Return the address for a config's values; the first one where none of them is named."""
        return self.urls.get(values.get(self.by) or "") or next(iter(self.urls.values()))


def addresses(declared: str | BaseUrls) -> tuple[str, ...]:
    """Return every address that an address of a manifest may be."""
    return tuple(declared.urls.values()) if isinstance(declared, BaseUrls) else (declared,)


def chosen_address(declared: str | BaseUrls, values: Mapping[str, str | None]) -> str:
    """Return the one of them that is meant for a config's values."""
    return declared.chosen(values) if isinstance(declared, BaseUrls) else declared


SignedPart = Literal["timestamp", "method", "url", "target", "path", "query", "body", "body_sha256"]


class RequestSignature(ManifestPart):
    """How every request is signed."""

    kind: Literal["hmac_sha256", "hmac_sha512", "hmac_sha1", "rsa_sha256"] = Field(description="The scheme.")
    secret: str = Field(description="`{field}`: the shared secret, or the private key (PEM) of rsa_sha256.")
    secret_encoding: Literal["text", "base64", "hex"] = Field(default="text", description="How the secret is written.")
    signed: tuple[SignedPart, ...] = Field(
        min_length=1,
        description="Parts that are signed, in their order; `target` is the path with its query.",
    )
    between: str = Field(default="", description="What stands between the parts.")
    header: str = Field(description="Header that takes the signature.")
    written: str = Field(default="{signature}", description="What stands in it; may name `{values}` too.")
    encoding: Literal["hex", "base64"] = Field(default="hex", description="How the signature is written.")
    timestamp_header: str | None = Field(default=None, description="Header that takes the time.")
    timestamp: Literal["unix_s", "unix_ms", "moment"] = Field(default="unix_s", description="How it is written.")
    ahead_s: int = Field(default=0, ge=0, description="Seconds from now to that time, for one that says the end.")

    @model_validator(mode="after")
    def _says_its_time(self) -> Self:
        if ("timestamp" in self.signed) != (self.timestamp_header is not None):
            raise ValueError("timestamp in signed and timestamp_header belong together")
        if "{signature}" not in self.written:
            raise ValueError("written must name {signature}")
        return self


class _Auth(ManifestPart):
    certificate: str | None = Field(default=None, description="`{field}` with a client certificate (PEM), for mTLS.")
    certificate_key: str | None = Field(default=None, description="`{field}` with its private key (PEM).")
    signature: RequestSignature | None = Field(default=None, description="How every request is signed besides.")

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("certificate and certificate_key belong together")
        return self


class NoAuth(_Auth):
    """Nothing but perhaps a client certificate."""

    kind: Literal["none"]


class BearerAuth(_Auth):
    """`Authorization: Bearer …`."""

    kind: Literal["bearer"]
    token: str = Field(description="`{field}` with the token.")


class BasicAuth(_Auth):
    """User and password, as HTTP knows them."""

    kind: Literal["basic"]
    user: str = Field(description="`{field}` with the user.")
    password: str = Field(default="", description="`{field}` with the password.")

    @model_validator(mode="after")
    def _is_not_signed(self) -> Self:
        if self.signature is not None:
            raise ValueError('a signed request logs in with kind = "headers", "bearer" or "query"')
        return self


class HeaderAuth(_Auth):
    """One or several headers: API keys, or two tokens."""

    kind: Literal["headers"]
    headers: Texts = Field(description="Header = value, such as `Bearer {token}`.")


class QueryAuth(_Auth):
    """API keys among the parameters. Prefer headers where the provider allows: addresses are logged by others."""

    kind: Literal["query"]
    params: Texts = Field(description="Parameter = value.")


class _Exchange(_Auth):
    url: str | BaseUrls = Field(
        description="Where tokens are made: a path below base_url, or an address on a declared host."
    )
    token: Path = Field(default="access_token", description="Where the answer holds the token.")
    lives: Path | None = Field(default="expires_in", description="Where it says for how many seconds it lives.")
    lives_s: int = Field(default=3600, ge=60, description="How long a token lives when the answer does not say.")
    expires_at: Moment | None = Field(default=None, description="Instead of `lives`: where it says when it ends.")
    headers: Texts = Field(
        default_factory=lambda: {"Authorization": "Bearer {access_token}"}, description="How the token is sent."
    )
    request_headers: Texts = Field(default_factory=dict, description="Headers of the request that makes it.")


class ClientCredentialsAuth(_Exchange):
    """OAuth2 client credentials."""

    kind: Literal["oauth2_client_credentials"]
    client_id: str = Field(description="`{field}`.")
    client_secret: str = Field(description="`{field}`.")
    scope: str = Field(default="", description="Scopes, with blanks between.")
    send: Literal["form", "basic"] = Field(default="form", description="How id and secret are sent.")


class RefreshTokenAuth(_Exchange):
    """OAuth2 refresh token; a new one in the answer takes the place of the old one at once."""

    kind: Literal["oauth2_refresh_token"]
    client_id: str = Field(description="`{field}`.")
    client_secret: str = Field(default="", description="`{field}`.")
    refresh_token: str = Field(description="`{field}` with the refresh token; the worker renews it.")
    send: Literal["form", "basic"] = Field(default="form", description="How id and secret are sent.")


class TokenRequestAuth(_Exchange):
    """A request of the provider's own that turns keys into a token that lives for a while."""

    kind: Literal["token_request"]
    json_body: Texts | None = Field(default=None, alias="json", description="JSON body.")
    form: Texts | None = Field(default=None, description="Form body.")
    basic: tuple[str, str] | None = Field(default=None, description="User and password of the request.")


Auth = Annotated[
    NoAuth
    | BearerAuth
    | BasicAuth
    | HeaderAuth
    | QueryAuth
    | ClientCredentialsAuth
    | RefreshTokenAuth
    | TokenRequestAuth,
    Field(discriminator="kind"),
]


class BrowserLogin(ManifestPart):
    """The login in a browser (OAuth2 authorization code): a person is sent to the provider and returns with a code."""

    kind: Literal["oauth2_code"]
    url: str | BaseUrls = Field(description="The provider's page that asks the person: an https address.")
    scope: str = Field(default="", description="Scopes, with blanks between.")
    params: Texts = Field(
        default_factory=dict, description="Further parameters of the page; may name `{values}` that are no secrets."
    )
    pkce: bool = Field(default=True, description="Sends a code challenge (S256), and its verifier with the code.")
