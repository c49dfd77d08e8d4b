"""Lists the tables that hold rows about a user, to be exported and erased. A test compares the list with schema.sql."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalTable:
    """A table that holds rows about people.

    Attributes:
        name: The table.
        whose: The condition of the rows of people whose id fits; `{of}` stands for a comparison such as `= :user_id`.
        says: What the rows are, for the reader of an archive.
        hidden: Columns that an archive leaves out, beside binary ones: leases and what only the worker reads.
        columns: The columns of an archive, where the table is FinMind's, which may add others; None: all the rest.
    """

    name: str
    whose: str
    says: str
    hidden: frozenset[str] = frozenset()
    columns: frozenset[str] | None = None


_USERS = "user_id {of}"
_OF_CONNECTIONS = "connection_id IN (SELECT id FROM bank_connections WHERE user_id {of})"
_OF_RUNS = "run_id IN (SELECT id FROM bank_import_runs WHERE user_id {of})"
_OF_ACCOUNTS = "account_id IN (SELECT id FROM bank_connection_accounts WHERE user_id {of})"
_OF_SUBSCRIPTIONS = "subscription_id IN (SELECT id FROM webhook_subscriptions WHERE user_id {of})"
_LEASE = frozenset({"lease_token", "lease_expires_at"})

TABLES: tuple[PersonalTable, ...] = (
    PersonalTable(
        name="bank_connections",
        whose=_USERS,
        says="the links to banks, without their credentials",
        hidden=frozenset({"config_version", "config_key_id", "config_sealed_at", "webhook_url", "login_ref"}),
    ),
    PersonalTable(name="bank_accounts", whose=_USERS, says="the person's accounts, which connections and files list"),
    PersonalTable(name="bank_connection_accounts", whose=_USERS, says="the accounts of the connections"),
    PersonalTable(name="bank_transactions", whose=_USERS, says="what the banks stated, and `raw` as they stated it"),
    PersonalTable(
        name="bank_transaction_aliases", whose=_OF_ACCOUNTS, says="other ids under which a bank stated a transaction"
    ),
    PersonalTable(
        name="bank_transaction_changes", whose=_OF_RUNS, says="what each run decided about a transaction, and why"
    ),
    PersonalTable(
        name="expenses",
        whose="id IN (SELECT expense_id FROM bank_transactions WHERE user_id {of})",
        says="the expenses that imports wrote or found to be the same",
        columns=frozenset({"id", "user_id", "category_id", "amount", "currency", "expense_type", "notes", "spent_at"}),
    ),
    PersonalTable(
        name="bank_import_runs",
        whose=_USERS,
        says="the imports, refreshes, reverts and replays",
        hidden=_LEASE | {"worker_name", "trace_context", "earlier_attempts"},
    ),
    PersonalTable(name="bank_import_run_accounts", whose=_OF_RUNS, says="each run's result per account"),
    PersonalTable(name="bank_import_rejections", whose=_OF_CONNECTIONS, says="rows that could not be imported"),
    PersonalTable(name="bank_match_suggestions", whose=_USERS, says="questions to the person, with the answers"),
    PersonalTable(
        name="bank_link_attempts",
        whose=_USERS,
        says="attempts to link a bank",
        hidden=frozenset({"details", "provider_ref"}),
    ),
    PersonalTable(
        name="provider_notices",
        whose="(user_id {of} OR (connector_name, login_ref) IN"
        " (SELECT connector_name, login_ref FROM bank_connections WHERE user_id {of}))",
        says="what aggregators reported about a log-in",
        hidden=frozenset({"login_ref", "secret_version", "secret_key_id", "secret_sealed_at"}),
    ),
    PersonalTable(
        name="bank_recordings",
        whose=_USERS,
        says="runs whose exchanges with the bank were kept",
        hidden=frozenset({"scrub_key", "content"}),
    ),
    PersonalTable(name="bank_quota_usage", whose=_OF_CONNECTIONS, says="requests to a bank that were counted"),
    PersonalTable(
        name="webhook_subscriptions",
        whose=_USERS,
        says="webhook subscriptions, without their secrets",
        hidden=frozenset({"secret_version", "secret_key_id", "secret_sealed_at"}),
    ),
    PersonalTable(name="webhook_events", whose=_USERS, says="events that were announced"),
    PersonalTable(name="webhook_inbox", whose=_USERS, says="events of other programs that wait"),
    PersonalTable(name="webhook_deliveries", whose=_OF_SUBSCRIPTIONS, says="deliveries of events", hidden=_LEASE),
    PersonalTable(
        name="webhook_attempts",
        whose="delivery_id IN (SELECT d.id FROM webhook_deliveries d"
        " JOIN webhook_subscriptions s ON s.id = d.subscription_id WHERE s.user_id {of})",
        says="the attempts of each delivery",
    ),
    PersonalTable(
        name="reminder_deliveries",
        whose="reminder_id IN (SELECT id FROM reminders WHERE user_id {of})",
        says="reminders that were sent",
        hidden=_LEASE,
    ),
    PersonalTable(name="user_preferences", whose=_USERS, says="the time zone, whether to warn by mail, when last seen"),
    PersonalTable(
        name="connection_warnings",
        whose=_USERS,
        says="warnings about a connection by mail",
        hidden=frozenset({"lease_token"}),
    ),
    PersonalTable(
        name="credential_audit",
        whose=_USERS,
        says="who used the credentials, and when",
        hidden=frozenset({"key_id"}),
    ),
)
"""In the order of an archive."""

PASSING: Mapping[str, str] = {
    "idempotency_keys": _USERS,
    "webhook_event_batches": _USERS,
    "webhook_event_keys": _USERS,
}
"""Rows about people that repeat what other tables hold, or live for seconds or two days: erased, not exported."""

IMPERSONAL = frozenset(
    {
        "worker_heartbeats",
        "run_activity",
        "bank_connector_circuits",
        "institution_weather",
        "institution_weather_progress",
        "institution_days",
        "provider_webhook_keys",
    }
)
"""Tables without rows about people. Circuits and banks list users who met a failure; an erasure takes them out."""


def whose(table: str, of: str = "= :user_id") -> str:
    """Return the condition of a table's rows that belong to one person, or to those that `of` compares with.

    Raises: KeyError when the table holds no rows about people.
    """
    conditions = {known.name: known.whose for known in TABLES} | dict(PASSING)
    return conditions[table].replace("{of}", of)
