"""Tables (CSV): layout by a profile or by column names, decisions over the whole file, then rows."""
