"""Shared parts of all formats: events, account numbers, amounts, days, encodings, files on disk."""
