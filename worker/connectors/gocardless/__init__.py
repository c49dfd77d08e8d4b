"""GoCardless Bank Account Data (once Nordigen): PSD2 banks in Europe, for its existing customers."""

from worker.connectors.gocardless.config import GoCardlessConfig
from worker.connectors.gocardless.connector import GoCardlessConnector

__all__ = ["GoCardlessConfig", "GoCardlessConnector"]
