"""Which accounts of a connection a run imports: those that the bank lists and the person did not leave out."""

IMPORTED_ACCOUNTS = """
    SELECT id, external_id, former_external_ids, inverted, anchor, mask, id_class, currency, cursor, watermark_on,
      history_from_on, history_complete, lateness_days, bank_account_id, days_at::text,
      currency_assumed,
      CASE WHEN balance_kind = 'booked' THEN balance_amount::text END AS booked
    FROM bank_connection_accounts WHERE connection_id = {connection_id} AND status = 'active' AND included"""
"""SELECT of these accounts, by the expression for the connection's id that is formatted in.

An account that waits for an answer, or that the bank lists no longer, is not `active`; one that the person left out
(`connections set --exclude`) is not `included`.
"""
