"""Asks the user, and closes questions that are obsolete."""
