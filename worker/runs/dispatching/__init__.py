"""Which connections get a run, which runs are published, and which of them may start."""
