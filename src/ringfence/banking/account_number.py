"""Account numbers: an IBAN whose check digits hold, or another number as a bank issues it.

An IBAN (ISO 13616-1) is a country, two check digits and the country's own number, of a length fixed by country. It is
right when it passes ISO 7064 MOD 97-10: move the first four characters to the end, read letters as numbers (A is 10, Z
is 35), and the whole leaves 1 when divided by 97.

>>> iban("GB82 WEST 1234 5698 7654 32").text
'GB82WEST12345698765432'
>>> iban_check_digits("GB", "WEST12345698765432")
'82'

China, the United States and others have no IBAN: their numbers are *other* numbers (ISO 20022 `Othr/Id`), of which
nothing can be checked but their form. Which of the two a number is, is said by whoever knows, never guessed from its
shape: a virtual account number may well begin like an IBAN.
"""

import re
from dataclasses import dataclass
from enum import Enum

from ringfence.refusal import Fault, refusal

IBAN_IS_MALFORMED = refusal(
    "iban_is_malformed",
    Fault.INPUT,
    en="{text!r} is not an IBAN: two capital letters, two digits, then letters and digits.",
    zh="{text!r} 不是 IBAN：应为两位大写字母、两位数字，其后为字母和数字。",
)
IBAN_COUNTRY_IS_UNKNOWN = refusal(
    "iban_country_is_unknown",
    Fault.INPUT,
    en="{text!r} begins with {country}, which this version does not know as a country with IBANs.",
    zh="{text!r} 以 {country} 开头，本版本不知道该国家或地区使用 IBAN。",
)
IBAN_LENGTH_IS_WRONG = refusal(
    "iban_length_is_wrong",
    Fault.INPUT,
    en="{text!r} has {length} characters; an IBAN of {country} has {expected}.",
    zh="{text!r} 长 {length} 位；{country} 的 IBAN 应为 {expected} 位。",
)
IBAN_CHECK_DIGITS_ARE_WRONG = refusal(
    "iban_check_digits_are_wrong",
    Fault.INPUT,
    en="{text!r} is mistyped: its check digits do not fit its number.",
    zh="{text!r} 有误：校验位与账号不符。",
)
ACCOUNT_NUMBER_IS_MALFORMED = refusal(
    "account_number_is_malformed",
    Fault.INPUT,
    en="{text!r} is not an account number: 1 to 34 letters, digits or . - _ / characters, without spaces.",
    zh="{text!r} 不是账号：应为 1 至 34 位字母、数字或 . - _ /，不含空格。",
)

# ISO 13616-1: length by country, as the registration authority (SWIFT) publishes them. A country that is not here is
# refused rather than let through unchecked.
_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}", re.ASCII)
_OTHER = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]{0,33}", re.ASCII)


class Scheme(Enum):
    """How a number is to be read; the values are ISO 20022's element names."""

    IBAN = "IBAN"
    OTHER = "Othr"


@dataclass(frozen=True, slots=True)
class AccountNumber:
    """An account's number; made by `iban` or `other_number`, which check it."""

    scheme: Scheme
    text: str

    def __str__(self) -> str:
        return self.text


def iban(text: str) -> AccountNumber:
    """The account of an IBAN, given with or without the spaces of its printed form; a wrong one is refused by the first
    requirement it breaks: form, country, length, check digits.
    """
    compact = text.replace(" ", "")
    country = compact[:2]
    if not _IBAN.fullmatch(compact):
        raise IBAN_IS_MALFORMED(text=text[:64])
    if country not in _LENGTHS:
        raise IBAN_COUNTRY_IS_UNKNOWN(text=compact, country=country)
    if len(compact) != _LENGTHS[country]:
        raise IBAN_LENGTH_IS_WRONG(text=compact, country=country, length=len(compact), expected=_LENGTHS[country])
    if _remainder_97(compact[4:] + compact[:4]) != 1 or not 2 <= int(compact[2:4]) <= 98:
        raise IBAN_CHECK_DIGITS_ARE_WRONG(text=compact)
    return AccountNumber(Scheme.IBAN, compact)


def other_number(text: str) -> AccountNumber:
    """The account of a number that is no IBAN."""
    if not _OTHER.fullmatch(text):
        raise ACCOUNT_NUMBER_IS_MALFORMED(text=text[:64])
    return AccountNumber(Scheme.OTHER, text)


def account_number(scheme: Scheme, text: str) -> AccountNumber:
    """The checked number of a scheme that is known from elsewhere (a file's element, a database column)."""
    return iban(text) if scheme is Scheme.IBAN else other_number(text)


def iban_check_digits(country: str, number: str) -> str:
    """The two digits that make an IBAN of a country and its own number; always 02 to 98."""
    return f"{98 - _remainder_97(number + country + '00'):02d}"


def _remainder_97(characters: str) -> int:
    return int("".join(str(int(character, 36)) for character in characters)) % 97
