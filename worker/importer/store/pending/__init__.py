"""Joins pending rows with what was booked beside them, and removes those that are left over."""
