"""A connector that reads a clock; alone in its file, because the check for it reads files."""

from datetime import UTC, datetime

from tests.connectors.kit.banks import PagedConnector
from worker.connectors.base import AuthStatus


class ReadsTheClock(PagedConnector):
    """Decides by the host's clock whether the login is still good."""

    def get_auth_status(self) -> AuthStatus:
        status = super().get_auth_status()
        return AuthStatus(state=status.state, reason=status.reason, expires_at=datetime.now(UTC))
