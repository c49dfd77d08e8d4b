"""Schema migrations: numbered revisions since the first release, and the upgrade to the newest one."""
