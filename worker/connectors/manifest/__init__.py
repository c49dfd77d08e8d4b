"""Connectors from manifests: one TOML file for each HTTP API, described in docs/manifest.md."""
