"""The local stack: an embedded Postgres and Redis, the worker's processes, and the demo."""
