"""Use cases on credential keys: count what each one seals, rotate, verify, and check that one can be retired."""
