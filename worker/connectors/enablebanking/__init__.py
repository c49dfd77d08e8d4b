"""Enable Banking: PSD2 banks in Europe, for one's own accounts without a contract."""

from worker.connectors.enablebanking.config import EnableBankingConfig
from worker.connectors.enablebanking.connector import EnableBankingConnector

__all__ = ["EnableBankingConfig", "EnableBankingConnector"]
