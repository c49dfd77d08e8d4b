"""The importer's SQL: loads what decisions need, and writes what they decided."""
