"""Which accounts of a connection a run imports: those that the bank lists and the person did not leave out."""

NOT_KEPT = """{0}.absent_since_at IS NOT NULL AND {0}.state = 'posted'
      AND NOT EXISTS (SELECT FROM bank_match_suggestions s WHERE s.transaction_id = {0}.id
        AND s.kind = 'withdrawn' AND s.reason = 'withdrawn' AND s.status = 'declined')"""
"""Whether a row is withdrawn, and the user did not say that it stays; by the name of the row that is formatted in."""

STANDS_WITHDRAWN = f"""{NOT_KEPT}
      AND ({{0}}.expense_id IS NOT NULL OR {{0}}.expense_state = 'transfer')"""
"""Whether such a row is in the ledger all the same."""

# Rows that a balance excuses are no problem, and an account without a problem has no others.
_WITHDRAWN_FROM_ON = f"""CASE WHEN a.problem_code IS NOT NULL THEN (
        SELECT min(least(t.stated_on, t.effective_on)) FROM bank_transactions t
        WHERE t.account_id = a.id AND {STANDS_WITHDRAWN.format("t")}) END"""  # noqa: S608 - constants

IMPORTED_ACCOUNTS = f"""
    SELECT id, external_id, former_external_ids, inverted, anchor, mask, id_class, currency, cursor, watermark_on,
      history_from_on, history_complete, lateness_days, bank_account_id, days_at::text,
      currency_assumed,
      CASE WHEN balance_kind = 'booked' THEN balance_amount::text END AS booked,
      {_WITHDRAWN_FROM_ON} AS withdrawn_from_on
    FROM bank_connection_accounts a WHERE connection_id = {{connection_id}} AND status = 'active' AND included"""  # noqa: S608 - constants
"""SELECT of these accounts, by the expression for the connection's id that is formatted in.

An account that waits for an answer, or that the bank lists no longer, is not `active`; one that the person left out
(`connections set --exclude`) is not `included`.
"""
