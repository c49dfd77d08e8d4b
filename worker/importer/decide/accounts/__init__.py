"""Decides which account an account that a bank lists is."""
