"""About what one unit of a currency is worth. Pure.

Good enough to see that 100 EUR can be 108.20 USD and cannot be 50. A currency that loses much of its value within a few
years is not listed.
"""

from decimal import Decimal

_US_CENTS = {
    "AED": "27", "AUD": "66", "BGN": "58", "BHD": "265", "BRL": "18", "CAD": "72", "CHF": "122", "CLP": "0.105",
    "CNY": "14", "COP": "0.025", "CZK": "4.7", "DKK": "15.3", "EUR": "114", "GBP": "133", "GEL": "37", "HKD": "12.8",
    "HUF": "0.29", "IDR": "0.0061", "ILS": "29", "INR": "1.15", "ISK": "0.8", "JOD": "141", "JPY": "0.67",
    "KRW": "0.072", "KWD": "325", "MAD": "11", "MXN": "5.4", "MYR": "24", "NOK": "9.8", "NZD": "59", "OMR": "260",
    "PEN": "28", "PHP": "1.72", "PLN": "27", "QAR": "27.5", "RON": "22.7", "RSD": "0.97", "SAR": "26.7", "SEK": "10.4",
    "SGD": "77", "THB": "3.05", "TWD": "3.2", "UAH": "2.4", "USD": "100", "VND": "0.0038", "ZAR": "5.6",
}  # fmt: skip


def rough_rate(of: str, in_: str) -> Decimal | None:
    """Return about how many units of one currency another one is worth; None where either is not listed."""
    one, other = _US_CENTS.get(of), _US_CENTS.get(in_)
    return Decimal(one) / Decimal(other) if one is not None and other is not None else None
