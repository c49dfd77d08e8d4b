"""Stores the accounts that banks list, and which of them are one account of the user."""
