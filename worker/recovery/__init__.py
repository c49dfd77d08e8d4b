"""After a backup was restored: what is out of step with the world, and what can be mended."""

from worker.recovery.after_restore import check_after_restore
from worker.recovery.restore_facts import Finding, RestoreOptions

__all__ = ["Finding", "RestoreOptions", "check_after_restore"]
