"""Reads QIF files: the records of bank, card and cash sections."""
