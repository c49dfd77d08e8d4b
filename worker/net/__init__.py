"""HTTP clients and the addresses they may reach."""
