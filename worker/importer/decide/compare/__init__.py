"""Compares texts and amounts, and chooses one-to-one among candidates."""
