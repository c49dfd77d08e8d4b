"""Telling the outside: signed deliveries of events."""
