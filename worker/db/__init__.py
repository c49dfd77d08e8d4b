"""The database engine, its sessions, locks, and prepared statements."""
