"""Client certificates for servers that require one (mTLS)."""

import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

import httpx2

from worker.errors import InvalidRequestError


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate with its private key, as PEM text."""

    certificate: str
    private_key: str

    def __repr__(self) -> str:
        return "ClientCertificate()"


def context_with(certificate: ClientCertificate) -> ssl.SSLContext:
    """Return a context that trusts the usual authorities and shows this certificate.

    The TLS library reads certificates from files alone: they exist, readable by this user only, while it reads them.

    Raises:
        InvalidRequestError: when certificate and key are no PEM, or do not belong together.
    """
    context = httpx2.create_ssl_context()
    with tempfile.TemporaryDirectory(prefix="finmind-tls-") as folder:
        chain = Path(folder, "certificate.pem")
        key = Path(folder, "key.pem")
        for path, text in ((chain, certificate.certificate), (key, certificate.private_key)):
            path.touch(mode=0o600)
            path.write_text(text.replace("\\n", "\n"), encoding="utf-8")
        try:
            context.load_cert_chain(chain, key, password=_no_password)
        except (ssl.SSLError, OSError, ValueError):
            problem = "the client certificate and its key cannot be read as PEM, or do not belong together"
        else:
            return context
    raise InvalidRequestError(problem)


def _no_password() -> str:
    """Refuse a key with a password: without this the library would ask for it on the terminal."""
    return ""
