"""QIF: the records of bank, card and cash sections."""
