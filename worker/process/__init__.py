"""What one process keeps: its stop flag, its heartbeat files, its folder of state, and its memory to itself."""
