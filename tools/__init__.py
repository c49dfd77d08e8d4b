"""What the Makefile runs besides the worker itself."""
