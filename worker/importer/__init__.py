"""The import engine: fetch, plan (pure), apply."""
