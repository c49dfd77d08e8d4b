"""Fetches deliveries from the network: requests, pages, staging, and the fast path for unchanged responses."""
