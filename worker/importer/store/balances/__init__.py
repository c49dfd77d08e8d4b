"""Reads balances and sums, and removes rows that no balance counts."""
