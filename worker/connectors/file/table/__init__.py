"""Reads tables (CSV, spreadsheets): layout by a profile or by column names, decisions, then rows."""
