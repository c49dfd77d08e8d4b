"""Decides which two rows are a transfer between two accounts of the user."""
