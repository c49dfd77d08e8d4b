"""Amounts of expenses and ISO 4217 currencies: limits and rounding. Pure."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

# ISO 4217, active codes (list one, 2026), by number of decimals where it is not two.
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"
_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW"
    " CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF"
    " IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK"
    " MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP"
    " SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER"
    " ZAR ZMW ZWG BGN HRK ANG"
)

MINOR_UNITS: dict[str, int] = (
    dict.fromkeys(_TWO.split(), 2)
    | dict.fromkeys(_ZERO.split(), 0)
    | dict.fromkeys(_THREE.split(), 3)
    | dict.fromkeys(_FOUR.split(), 4)
)
"""Decimals of each ISO 4217 currency, also of BGN, HRK and ANG, which old statements contain."""

MAX_EXPENSE_AMOUNT = Decimal("9999999999.99")
MAX_DIGITS = 20
"""No amount of money has more digits before its point; Postgres and sums refuse numbers of very many."""

MAX_DECIMALS = 100
"""Nor more decimals: a float that is written out in full has 55."""

_CENT = Decimal("0.01")


def is_currency(code: str) -> bool:
    """Say whether `code` is an ISO 4217 currency, in capitals."""
    return code in MINOR_UNITS


def is_money(amount: Decimal) -> bool:
    """Say whether a number can be an amount or a balance: finite, and neither endlessly long nor endlessly small."""
    # A number of cents, as nearly all are, needs no look at its digits.
    return (
        amount.is_finite()
        and amount.adjusted() < MAX_DIGITS
        and (amount.same_quantum(_CENT) or int(amount.as_tuple().exponent) >= -MAX_DECIMALS)
    )


def money_in(text: str | None) -> Decimal | None:
    """Return the amount that a text states; None where it states none, or one that is none of money."""
    try:
        number = Decimal(text) if text else None
    except InvalidOperation:
        return None
    return number if number is not None and is_money(number) else None


def expense_amount(amount: Decimal) -> Decimal | None:
    """Return the positive amount as FinMind stores it, rounded half up; None when it is too large or no number."""
    if not is_money(amount):
        return None
    positive = amount.copy_abs()
    if positive > MAX_EXPENSE_AMOUNT + 1:
        return None
    kept = positive.quantize(_CENT, rounding=ROUND_HALF_UP)
    return None if kept > MAX_EXPENSE_AMOUNT else kept
