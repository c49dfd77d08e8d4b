"""What happens by the clock and for one person: bills that fall due, consents that run out, reminders by e-mail."""
