"""Shared parts of connectors of PSD2 banks: Berlin Group records, consents, and the daily allowance.

`entries` and `balances` read records, `allowance` says what a bank grants a day, `consent` is the base of a connector.
"""
