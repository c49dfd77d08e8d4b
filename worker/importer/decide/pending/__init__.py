"""Decides what became of pending rows, and of posted ones that the bank writes otherwise since."""
