"""A person's accounts above their sources: what they are, what is covered, and how decisions about them are undone."""
