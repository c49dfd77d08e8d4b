"""MT940 and MT942: the fields of a file, and the statements they hold."""
