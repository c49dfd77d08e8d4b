"""Reads CAMT.052, 053 and 054 files."""
