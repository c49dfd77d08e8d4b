"""Tables as classes, no queries and no I/O: their columns, keys and references, as `schema.sql` has them.

Rules and indexes stand in `schema.sql` alone. `db check` and a test compare both.
"""

from worker.models.api import IdempotencyKey, UserPreference
from worker.models.base import Base
from worker.models.connection import BankAccount, BankConnection, BankConnectionAccount
from worker.models.finmind import AuditLog, Bill, Category, Expense, RecurringExpense, Reminder, User
from worker.models.institution import InstitutionDay, InstitutionWeather, InstitutionWeatherProgress
from worker.models.link import BankLinkAttempt
from worker.models.notice import ConnectionWarning, ProviderWebhookKey, ReceivedNotice
from worker.models.operations import (
    BankConnectorCircuit,
    BankQuotaUsage,
    CredentialAudit,
    RunActivity,
    WorkerHeartbeat,
)
from worker.models.run import BankImportRun, BankImportRunAccount, BankRecording
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
    "BankRecording",
    "BankTransaction",
    "BankTransactionAlias",
    "BankTransactionChange",
    "Base",
    "Bill",
    "Category",
    "ConnectionWarning",
    "CredentialAudit",
    "Expense",
    "IdempotencyKey",
    "InstitutionDay",
    "InstitutionWeather",
    "InstitutionWeatherProgress",
    "ProviderWebhookKey",
    "ReceivedNotice",
    "RecurringExpense",
    "Reminder",
    "ReminderDelivery",
    "RunActivity",
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
