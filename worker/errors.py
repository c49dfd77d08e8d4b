"""The root of the error tree, grouped by what the catcher does.

WorkerError                      root; `code` is stable and used in rows, logs, API and webhooks
├── ConfigurationError           stop at start-up; the sentence names the variable
├── InvalidRequestError          the caller asked for something that makes no sense: say so, change nothing
├── NotFoundError                no such thing for this user: 404, exit 1, drop the message
├── ConflictError                the thing is in the wrong state for this: 409, exit 1
├── CredentialError              a sealed value cannot be opened: stop, tell an operator
│   └── KeyProviderUnavailableError   the key service is down: defer, nothing is wrong with the credential
├── LostLeaseError               another worker owns this run now: write nothing more
├── StopRequestedError           the process is shutting down: hand the run back
├── CancelRequestedError         a person cancelled the run: close it, keep what was committed
└── ConnectorError               (worker.connectors.errors) the bank said no, in one of several ways
"""

from collections.abc import Mapping

from worker.redaction import redact


class WorkerError(Exception):
    """Root of the worker's errors."""

    code: str = "internal"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(redact(message or (self.__doc__ or type(self).__name__).splitlines()[0]))


class ConfigurationError(WorkerError):
    """A setting is missing or wrong."""

    code = "configuration"


class InvalidRequestError(WorkerError):
    """The request is not valid."""

    code = "invalid_request"


class InvalidFieldsError(InvalidRequestError):
    """Fields of the request are not valid.

    Attributes:
        fields: What is wrong with each, by its place; never a value.
    """

    def __init__(self, message: str, fields: Mapping[str, str]) -> None:
        super().__init__(message)
        self.fields = dict(fields)


class NotFoundError(WorkerError):
    """The thing does not exist, or belongs to another user."""

    code = "not_found"


class ConflictError(WorkerError):
    """The thing is in the wrong state for this."""

    code = "conflict"


class CredentialError(WorkerError):
    """A sealed credential cannot be opened."""

    code = "credential_unreadable"


class KeyProviderUnavailableError(CredentialError):
    """The key service does not answer."""

    code = "key_provider_down"


class LostLeaseError(WorkerError):
    """Another worker owns this run now."""

    code = "lost"


class StopRequestedError(WorkerError):
    """The worker is shutting down."""

    code = "stopped"


class TooHeavyError(StopRequestedError):
    """The run is too heavy for this worker and has to be handed to one for heavy runs."""


class DatabaseBusyError(StopRequestedError):
    """The database lets others go first, such as another import of the user: no fault of the run, which goes on."""


class DatabaseClosedError(DatabaseBusyError):
    """The database takes nobody's statements for now, such as one without space; the run goes on after a while."""


class CancelRequestedError(WorkerError):
    """The run was cancelled."""

    code = "cancelled"
