"""What the formats share: the events of a statement, account numbers, amounts, days, encodings, files on disk."""
