"""The engine, its sessions, and the driver's prepared statements."""
