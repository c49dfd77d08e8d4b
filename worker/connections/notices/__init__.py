"""Webhooks of providers: verified, stored as notices, and handled.

door (API) ─▶ verify ─▶ provider_notices ─▶ dispatcher: `handle_notices` ─▶ runs, states of connections
                                        └─▶ task: `finish_hosted_links` ─▶ connections
"""
