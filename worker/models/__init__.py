"""Tables as classes, no queries and no I/O. `schema.sql` is authoritative; a test checks that these agree with it."""

from worker.models.api import IdempotencyKey, UserPreference
from worker.models.base import Base
from worker.models.connection import BankConnection, BankConnectionAccount
from worker.models.finmind import AuditLog, Bill, Category, Expense, RecurringExpense, Reminder, User
from worker.models.link import BankLinkAttempt
from worker.models.operations import BankConnectorCircuit, BankQuotaUsage, CredentialAudit, WorkerHeartbeat
from worker.models.run import BankImportRun, BankImportRunAccount
from worker.models.transaction import (
    BankImportRejection,
    BankMatchSuggestion,
    BankTransaction,
    BankTransactionAlias,
    BankTransactionChange,
)
from worker.models.webhook import (
    ReminderDelivery,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
    WebhookEventBatch,
    WebhookInbox,
    WebhookSubscription,
)

__all__ = [
    "AuditLog",
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
    "BankTransactionAlias",
    "BankTransactionChange",
    "Base",
    "Bill",
    "Category",
    "CredentialAudit",
    "Expense",
    "IdempotencyKey",
    "RecurringExpense",
    "Reminder",
    "ReminderDelivery",
    "User",
    "UserPreference",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookEventBatch",
    "WebhookInbox",
    "WebhookSubscription",
    "WorkerHeartbeat",
]
