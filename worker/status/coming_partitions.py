"""How far ahead maintenance has made partitions, where tables are in partitions."""

COMING_PARTITIONS = (
    "SELECT relname, COALESCE(EXTRACT(EPOCH FROM newest_partition_at(relname) - now()), 0) AS coming_s FROM pg_class"
    " WHERE relkind = 'p' AND relnamespace = current_schema()::regnamespace"
    " AND relname IN ('webhook_events', 'credential_audit', 'bank_transaction_changes')"
)
"""A row for each partitioned table: in how many seconds the newest partition begins, less than 0 when it has begun."""

FEW_PARTITIONS_S = 604_800
"""Maintenance makes four weeks, or three months, ahead: with less than a week it did not run for weeks."""
