"""Writes what a run says of each account: counts, result, and the problem that is open."""
