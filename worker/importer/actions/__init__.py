"""What else can be done with a run: revert, replay, dry run, and answers to suggestions."""
