"""Which accounts of a connection a run imports: those that the bank lists and the person did not leave out."""

NOT_KEPT = """t.absent_since_at IS NOT NULL AND t.state = 'posted'
      AND NOT EXISTS (SELECT FROM bank_match_suggestions s WHERE s.transaction_id = t.id
        AND s.kind = 'withdrawn' AND s.reason = 'withdrawn' AND s.status = 'declined')"""
"""Condition on a row `t` of bank_transactions: it is withdrawn, and the user did not say that it stays."""

STANDS_WITHDRAWN = f"""{NOT_KEPT}
      AND (t.expense_id IS NOT NULL OR t.expense_state = 'transfer')"""
"""Condition on such a row `t`: it is in the ledger all the same."""

# Rows that a balance excuses are no problem, and an account without a problem has no others.
_WITHDRAWN_FROM_ON = f"""CASE WHEN a.problem_code IS NOT NULL THEN (
        SELECT min(least(t.stated_on, t.effective_on, t.transaction_on, t.value_on)) FROM bank_transactions t
        WHERE t.account_id = a.id AND {STANDS_WITHDRAWN}) END"""  # noqa: S608 - constants

IMPORTED_ACCOUNTS = f"""
    SELECT id, external_id, former_external_ids, inverted, anchor, mask, id_class, currency, cursor, watermark_on,
      history_from_on, history_complete, lateness_days, bank_account_id, days_at::text,
      currency_assumed, longest_reach_days, shortest_reach_days,
      CASE WHEN balance_kind = 'booked' THEN balance_amount::text END AS booked,
      {_WITHDRAWN_FROM_ON} AS withdrawn_from_on
    FROM bank_connection_accounts a WHERE status = 'active' AND included AND connection_id ="""  # noqa: S608 - constants
"""SELECT of these accounts; the connection's id follows, as an expression.

An account that waits for an answer, or that the bank lists no longer, is not `active`; one that the person left out
(`connections set --exclude`) is not `included`.
"""
