"""Reads transactions of a connector: checks and cleans what they say, and computes what they are recognised by."""
