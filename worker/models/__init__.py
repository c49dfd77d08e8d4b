"""Tables as classes, no queries and no I/O: their columns, keys and references, as `schema.sql` has them.

Rules, indexes, and tables that SQL alone reads stand in `schema.sql` alone. `db check` and a test compare both.
"""

from worker.models.api import IdempotencyKey, UserPreference
from worker.models.base import Base
from worker.models.connection import BankAccount, BankConnection, BankConnectionAccount
from worker.models.finmind import Category, Expense, RecurringExpense, User
from worker.models.link import BankLinkAttempt
from worker.models.notice import ReceivedNotice
from worker.models.operations import (
    BankConnectorCircuit,
    BankQuotaUsage,
    CredentialAudit,
    WorkerHeartbeat,
)
from worker.models.run import BankImportRun, BankImportRunAccount
from worker.models.transaction import (
    BankImportRejection,
    BankMatchSuggestion,
    BankTransaction,
)
from worker.models.webhook import (
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
    WebhookInbox,
    WebhookSubscription,
)

__all__ = [
    "BankAccount",
    "BankConnection",
    "BankConnectionAccount",
    "BankConnectorCircuit",
    "BankImportRejection",
    "BankImportRun",
    "BankImportRunAccount",
    "BankLinkAttempt",
    "BankMatchSuggestion",
    "BankQuotaUsage",
    "BankTransaction",
    "Base",
    "Category",
    "CredentialAudit",
    "Expense",
    "IdempotencyKey",
    "ReceivedNotice",
    "RecurringExpense",
    "User",
    "UserPreference",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookInbox",
    "WebhookSubscription",
    "WorkerHeartbeat",
]
