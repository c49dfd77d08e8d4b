"""Sends one message through a mail server, with TLS and time limits."""

import re
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from worker.errors import ConfigurationError, WorkerError

_DEFAULT_PORTS = {"smtp+ssl": 465, "smtp+starttls": 587, "smtp": 25}
_PERMANENT = range(500, 600)
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(\.[\w-]{1,63}){0,8}")
"""Unquoted addresses only: comments and other rare forms of the header's grammar make its parser fail."""


class MailError(WorkerError):
    """The mail server did not accept the message; trying again later may help."""

    code = "mail_failed"


class MailRefusedError(MailError):
    """The mail server rejected the message for good."""

    code = "mail_refused"


class InvalidAddressError(MailRefusedError):
    """The text is not the address of one receiver. FinMind's column takes any text."""

    code = "invalid_address"


def compose_mail(*, to: str, subject: str, message_id: str, body: str) -> EmailMessage:
    """Return a mail to one receiver. Pure.

    Args:
        to: The address, as a person typed it.
        subject: One line.
        message_id: The same in every attempt, so that receivers can tell a repetition.
        body: Inert lines.

    Raises:
        InvalidAddressError: `to` is no address, or several.
    """
    if not _ADDRESS.fullmatch(to):
        raise InvalidAddressError("no address")
    username, _, domain = to.partition("@")
    mail = EmailMessage()
    mail["To"] = Address(username=username, domain=domain)
    mail["Subject"] = subject
    mail["Message-ID"] = f"<{message_id}@finmind.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body)
    return mail


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The address and login of a mail server.

    Attributes:
        timeout_s: Time limit of each step.
        tls: TLS context of tests with a certificate authority of their own.
    """

    scheme: str
    host: str
    port: int
    sender: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    timeout_s: float = 15
    tls: ssl.SSLContext | None = None


def parse_mail_server(url: str, *, sender: str | None) -> MailServer:
    """Read SMTP_URL: `smtp+ssl://user:password@host:465`, or `smtp+starttls`, or `smtp` for plain text on loopback.

    Raises: ConfigurationError, whose message does not contain the URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise ConfigurationError("SMTP_URL: needs smtp+ssl://, smtp+starttls:// or smtp:// and a host") from None
    if not parts.hostname or not sender:
        raise ConfigurationError("SMTP_URL needs a host, and EMAIL_FROM beside it")
    if parts.scheme == "smtp" and parts.hostname not in {"localhost", "127.0.0.1", "::1"}:
        raise ConfigurationError("SMTP_URL: plain smtp:// is for loopback only; use smtp+starttls:// or smtp+ssl://")
    return MailServer(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port,
        sender=sender,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


class Mailer:
    """A connection to the mail server, opened at the first message and again after a failure."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._smtp: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hang_up()

    def send(self, message: EmailMessage) -> None:
        """Send the message; return once the server accepted it. Raises: MailError, MailRefusedError."""
        message["From"] = self._server.sender
        try:
            if self._smtp is None:
                self._smtp = self._connect()
            self._smtp.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            self._hang_up()
            raise _translated(error) from error

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        tls = server.tls or ssl.create_default_context()
        if server.scheme == "smtp+ssl":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout_s, context=tls)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
        self._smtp = smtp  # so that a failure from here on closes it
        if server.scheme == "smtp+starttls":
            smtp.starttls(context=tls)
        if server.username:
            smtp.login(server.username, server.password or "")
        return smtp

    def _hang_up(self) -> None:
        if self._smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._smtp.quit()
            self._smtp.close()
        self._smtp = None


def _translated(error: Exception) -> MailError:
    """Return an error that says whether another try can help, without the server's text, which may name people."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        refused = all(code in _PERMANENT for code, _ in error.recipients.values())
        return MailRefusedError("the recipient was refused") if refused else MailError("the recipient was put off")
    if isinstance(error, smtplib.SMTPDataError) and error.smtp_code in _PERMANENT:
        return MailRefusedError(f"the message was refused ({error.smtp_code})")
    return MailError(f"the mail server failed ({type(error).__name__})")
