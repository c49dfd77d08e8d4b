"""Logs, traces and latencies."""
