"""Loads and writes rows of `bank_transactions` and of their history, many at a time."""
