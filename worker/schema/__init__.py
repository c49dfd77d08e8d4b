"""`schema.sql` and `roles.sql`: applies them to a database, and compares it with them and with the models."""
