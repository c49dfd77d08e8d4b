"""Decides which expense a line becomes or has already, and what the user's edits of it mean."""
