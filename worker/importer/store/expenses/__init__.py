"""Reads, locks and writes rows of FinMind's `expenses`."""
