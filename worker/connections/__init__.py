"""Use cases on a bank connection: add, link, reauthorise, pause, remove."""
