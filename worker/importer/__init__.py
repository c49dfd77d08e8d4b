"""The import engine: fetches deliveries, decides about their rows, and writes the result."""
