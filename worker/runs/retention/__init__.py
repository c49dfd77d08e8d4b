"""Removes what nothing needs any more: which runs and other rows, how old, and how fast."""
