"""Decides by ids and content which line is which stored row, and which ids can be trusted."""
