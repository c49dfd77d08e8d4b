"""What happens by the clock and for one person: bills that fall due, and reminders by e-mail."""
