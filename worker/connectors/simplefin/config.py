"""The credentials of a SimpleFIN server: a setup token that is spent once, or the access URL it was exchanged for."""

import base64
import binascii
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

import httpx2
from pydantic import Field, SecretStr, model_validator

from worker.connectors.config import ConnectorConfig
from worker.connectors.http import is_secure


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Access:
    """An access URL taken apart.

    Attributes:
        root: Without the login.
    """

    root: str
    login: tuple[str, str]


class SimpleFinConfig(ConnectorConfig):
    """Either what the user pasted or what it was exchanged for; only the access URL is kept."""

    setup_token: SecretStr | None = Field(
        default=None, description="The token the user copied from the bridge; one use."
    )
    access_url: SecretStr | None = Field(default=None, description="URL with user and password, from an earlier claim.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.setup_token is None) == (self.access_url is None):
            raise ValueError("give either setup_token or access_url")
        if self.setup_token is not None and not is_secure(self.claim_url()):
            raise ValueError("setup_token does not hold an https address")
        if self.access_url is not None and not is_access_url(self.access_url.get_secret_value()):
            raise ValueError("access_url is not an https address with user and password")
        return self

    def claim_url(self) -> str:
        """Return the address the setup token stands for; empty when it stands for none."""
        pasted = "".join((self.setup_token or SecretStr("")).get_secret_value().split())
        padded = pasted.rstrip("=") + "=" * (-len(pasted.rstrip("=")) % 4)
        try:
            return base64.b64decode(
                padded, altchars=b"-_" if {"-", "_"} & set(padded) else None, validate=True
            ).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""

    def access(self) -> Access | None:
        """Return where and as whom to ask; None as long as the token was not claimed."""
        if self.access_url is None:
            return None
        url = httpx2.URL(self.access_url.get_secret_value())
        root = str(url.copy_with(username=None, password=None, query=None, fragment=None)).rstrip("/")
        return Access(root=root, login=(unquote(url.username), unquote(url.password)))


def is_access_url(text: str) -> bool:
    """Say whether `text` is an address with a login that may be sent there."""
    if not is_secure(text):
        return False
    url = httpx2.URL(text)
    return bool(url.username and url.password)
