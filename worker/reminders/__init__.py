"""Announces bills that fall due, and sends reminders by e-mail."""
