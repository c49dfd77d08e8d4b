"""The importer's SQL: what is loaded before a decision and what is written after it."""
