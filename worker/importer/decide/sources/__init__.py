"""Decides which rows of two sources of one account are one purchase, and which source leads."""
