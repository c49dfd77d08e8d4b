"""Other actions on runs: revert, replay, dry run, and answers to suggestions."""
