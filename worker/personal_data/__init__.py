"""Export and erasure of one person's data, and the search that proves the erasure."""
