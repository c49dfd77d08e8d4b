"""Pairs both legs of a transfer, and parts them again."""
