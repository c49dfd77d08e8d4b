"""`finmind-worker demo`: shows the worker in under a minute on an embedded stack, and checks the results."""

from worker.local.demo.run import run_demo

__all__ = ["run_demo"]
