"""One module per revision, `rNNNN_what_it_does.py`; released ones are never edited. See docs/operator/upgrade.md."""
