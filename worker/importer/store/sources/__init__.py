"""Makes rows of several sources of an account one purchase with one expense, and parts them again."""
