"""OFX and QFX: the tags of a file, and the statements they hold."""
