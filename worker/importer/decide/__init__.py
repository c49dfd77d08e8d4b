"""Decisions about rows: pure functions on frozen data, without SQL, logging or a clock."""
