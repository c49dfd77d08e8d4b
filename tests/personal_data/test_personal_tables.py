"""The list of tables with people in them follows schema.sql."""

import re

from sqlalchemy import text

from worker.personal_data.archive import columns_of
from worker.personal_data.personal_tables import IMPERSONAL, PASSING, TABLES, whose
from worker.schema.apply import schema_sql
from worker.schema.compare import FINMIND

EXPORTED = {
    "bank_connections": """
        answer_run_id connector_name consecutive_failures consent_expires_at consent_warned_days created_at cursor
        display_name id institution_chosen institution_name last_failure_at last_failure_code last_good_at
        last_good_run_id link_epoch linked_at new_accounts_at next_refresh_at options outage_scope problem_code
        problem_message problem_since_at rate_limit_code rate_limited_until refresh_from_hour refresh_interval
        refresh_until_hour status status_code status_message updated_at user_id webhook_seen_at
        """,
    "bank_accounts": "account_type anchors created_at currency id institution_name mask name user_id",
    "bank_connection_accounts": """
        account_type anchor balance_amount balance_at balance_kind bank_account_id connection_id created_at currency
        currency_assumed cursor days_at external_id former_external_ids history_complete history_from_on id id_class
        included institution_name inverted last_seen_at lateness_days leads_from_on longest_reach_days mask name
        opening_amount opening_balance opening_balance_on opening_last_days opening_on opening_pending problem_code
        problem_message problem_since_at same_as_account_id shortest_reach_days status status_code unread_days
        updated_at user_id watermark_on
        """,
    "bank_transactions": """
        absent_since_at account_id amount base_amount base_category_id base_cost base_currency base_notes base_spent_on
        base_type booking_on counterparty counterparty_account created_at currency description effective_on expense_id
        expense_state external_id first_decision first_reason first_run_id id kind last_run_id occurrence
        pending_external_id raw reference state stated_amounts stated_on transaction_on transfer_peer_id twin_id
        updated_at user_id value_on
        """,
    "bank_transaction_aliases": "account_id created_at external_id transaction_id",
    "bank_transaction_changes": """
        account_id before_image created_at decision detail id reason reverted_by_run_id run_id transaction_id
        """,
    "expenses": "amount category_id currency expense_type id notes spent_at user_id",
    "bank_import_runs": """
        account_external_id accounted accounts_done accounts_total attempt cancel_requested_at claimed_at code
        connection_id connector_name created delivered dispatch_count dispatched_at dry_run fetched finished_at from_on
        heartbeat_at id kind linked message not_before pages part_days queued_at read_from_on read_to_on reimport
        rejected removed report requests scheduled_for started_at status suggested target_run_id to_on trigger unchanged
        updated user_id
        """,
    "bank_import_run_accounts": """
        account_id accounted balance_proof code created cursor_after cursor_before delivered fetched finished_at
        from_on id linked message pages rejected removed run_id status suggested to_on unchanged updated
        """,
    "bank_import_rejections": """
        account_id code connection_id created_at dismissed_at dismissed_by dismissed_run_id dismissed_why external_id
        id message raw resolved_at resolved_run_id run_id
        """,
    "bank_match_suggestions": """
        account_id created_at decided_at detail expense_id id kind other_account_id other_transaction_id reason replaced
        run_id status transaction_id user_id
        """,
    "bank_link_attempts": "connection_id connector_name created_at expires_at finished_at id renews status user_id",
    "provider_notices": """
        account_external_id action code connector_name handled_at id issued_at not_before reason received_at repaired
        result run_id user_id works_until
        """,
    "bank_recordings": "connection_id finished_at problem requested_at run_id user_id",
    "bank_quota_usage": """
        account_external_id calls_limit calls_used connection_id connector_name endpoint id updated_at window_ends_at
        window_s window_started_at
        """,
    "webhook_subscriptions": """
        api_version breaker_trips breaker_until consecutive_failures created_at description event_types
        first_failure_at id last_failure_at last_success_at rate_limit_per_s rate_next_at status status_code
        updated_at url user_id
        """,
    "webhook_events": "api_version data dedup_key fanned_out_at id occurred_at sequence subscription_id type user_id",
    "webhook_inbox": "created_at data dedup_key id refused_reason type user_id",
    "webhook_deliveries": """
        attempt created_at event_id finished_at id last_code last_status_code next_attempt_at replay state
        subscription_id
        """,
    "webhook_attempts": """
        attempt code delivery_id duration_ms event_id finished_at id response_head started_at status_code
        """,
    "reminder_deliveries": "attempt created_at last_code next_attempt_at reminder_id sent_at state",
    "user_preferences": "last_seen_at timezone updated_at user_id warn_by_mail",
    "connection_warnings": """
        attempt cause connection_id consent_expires_at created_at id kind last_code next_attempt_at sent_at state
        user_id
        """,
    "credential_audit": "action actor at detail id row_id table_name user_id",
}


def test_every_table_is_about_people_or_said_not_to_be():
    """When this fails, a table was added: say in worker/personal_data/personal_tables.py whose its rows are."""
    named = [table.name for table in TABLES] + list(PASSING)
    assert len(named) == len(set(named))
    tables = set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", schema_sql()))
    assert tables - FINMIND == (set(named) | IMPERSONAL) - {"expenses"}


def test_every_column_is_exported_or_left_out_because_somebody_said_so(sessions):
    """When this fails, a column was added: name it above if it is the person's, else in `hidden` of its table."""
    decided = {table: set(columns.split()) for table, columns in EXPORTED.items()}
    with sessions() as session:
        shown = {table.name: set(columns_of(session, table).exported) for table in TABLES}
    assert shown == decided
    names = [f"{table}.{column}" for table, columns in shown.items() for column in columns]
    assert not [name for name in names if "encrypted" in name or "lease" in name or "token" in name or "key_id" in name]


def test_every_condition_is_sql(sessions, user_id):
    with sessions() as session:
        for name in [table.name for table in TABLES] + list(PASSING):
            for of in ("= :user_id", "<> :user_id"):
                counted = session.scalar(
                    text(f"SELECT count(*) FROM {name} WHERE {whose(name, of)}"), {"user_id": user_id}
                )
                assert counted == 0
