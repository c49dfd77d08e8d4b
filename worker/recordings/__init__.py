"""Recordings: what a bank answered in one run, scrubbed, as a file that anybody can run again."""
