"""Compares balances with rows, and draws conclusions from what does not fit."""
