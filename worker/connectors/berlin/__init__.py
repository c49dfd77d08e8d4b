"""What connectors of PSD2 banks have in common: the Berlin Group's records, a consent, and its small daily allowance.

`entries` and `balances` read records, `allowance` says what a bank grants a day, `consent` is the base of a connector.
"""
