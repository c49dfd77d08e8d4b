"""After a backup was restored: what is out of step with the world, and what can be mended."""
