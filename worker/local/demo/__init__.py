"""`finmind-worker demo`: the whole story in under a minute, on an embedded stack, checked from the database."""

from worker.local.demo.run import run_demo

__all__ = ["run_demo"]
