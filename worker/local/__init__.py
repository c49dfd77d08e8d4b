"""Everything on this machine: an embedded Postgres and Redis, the processes of the worker, and the demo."""
