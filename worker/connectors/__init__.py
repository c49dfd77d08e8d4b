"""Connectors: one module or package per bank or aggregator, all behind `base.BankConnector`."""
