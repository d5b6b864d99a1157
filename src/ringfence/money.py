"""Money: integer minor units with a currency. Text amounts are decimal strings; floats do not occur.

Exponents are ISO 4217's (list one, column "minor unit"). A currency that is not in the table is refused, never guessed.

>>> parse_minor("1234.50", currency("CZK"))
123450
>>> format_minor(-123450, currency("CZK"))
'-1234.50'
>>> format_minor(5, currency("JPY"))
'5'
"""

import re
from dataclasses import dataclass

from ringfence.refusal import Fault, refusal

INT64_MAX = 2**63 - 1

CURRENCY_IS_UNKNOWN = refusal(
    "currency_is_unknown",
    Fault.INPUT,
    en="{code!r} is not a currency of ISO 4217 that this version knows.",
    zh="{code!r} 不是本版本所知的 ISO 4217 货币。",
)
AMOUNT_IS_NOT_A_DECIMAL = refusal(
    "amount_is_not_a_decimal",
    Fault.INPUT,
    en="{text!r} is not an amount: digits, with a point before at most {exponent} decimals in {currency}.",
    zh="{text!r} 不是金额：应为数字，{currency} 小数最多 {exponent} 位。",
)
AMOUNT_OVERFLOWS = refusal(
    "amount_overflows",
    Fault.INPUT,
    en="{text} is more than a signed 64-bit number of minor units holds.",
    zh="{text} 超出 64 位最小货币单位整数的范围。",
)

_EXPONENTS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP"
    " CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR"
    " IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL LTL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN"
    " NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN"
    " SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Currency:
    """An ISO 4217 code and the number of decimals of its minor unit."""

    code: str
    exponent: int

    def __str__(self) -> str:
        return self.code


_CURRENCIES = {code: Currency(code, exponent) for exponent, codes in _EXPONENTS.items() for code in codes.split()}


def currency(code: str) -> Currency:
    """The currency of an ISO 4217 code; `currency_is_unknown` otherwise."""
    try:
        return _CURRENCIES[code]
    except KeyError:
        raise CURRENCY_IS_UNKNOWN(code=code) from None


def parse_minor(text: str, unit: Currency) -> int:
    """Minor units of a decimal string. Trailing zeros beyond the exponent are harmless; other digits there are refused,
    because dropping them would lose money.
    """
    if not _DECIMAL.fullmatch(text):
        raise AMOUNT_IS_NOT_A_DECIMAL(text=text[:64], currency=unit.code, exponent=unit.exponent)
    whole, _, fraction = text.partition(".")
    kept, dropped = fraction[: unit.exponent], fraction[unit.exponent :]
    if dropped.strip("0"):
        raise AMOUNT_IS_NOT_A_DECIMAL(text=text[:64], currency=unit.code, exponent=unit.exponent)
    if len(whole) > 20:
        raise AMOUNT_OVERFLOWS(text=text[:64])
    minor = int(whole + kept.ljust(unit.exponent, "0"))
    if abs(minor) > INT64_MAX:
        raise AMOUNT_OVERFLOWS(text=text[:64])
    return minor


def format_minor(minor: int, unit: Currency, *, grouped: bool = False) -> str:
    """A decimal string of minor units; `grouped` sets thousands apart with commas, for people."""
    sign, digits = ("-", -minor) if minor < 0 else ("", minor)
    whole, fraction = divmod(digits, 10**unit.exponent)
    text = f"{whole:,}" if grouped else str(whole)
    return f"{sign}{text}.{fraction:0{unit.exponent}d}" if unit.exponent else f"{sign}{text}"
