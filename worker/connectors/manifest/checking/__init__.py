"""Holds a manifest to the contract of connectors, with a bank that is played from the manifest's own samples."""
