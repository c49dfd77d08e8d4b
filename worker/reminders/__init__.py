"""Announces bills that fall due and consents that end, and sends reminders by e-mail."""
