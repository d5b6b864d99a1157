"""How numbers, times and ids look to people. Money is grouped and keeps all its decimals; times are UTC.

>>> amount_text(-123456789, "EUR")
'−1,234,567.89'
>>> moment_text(datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC))
'2026-03-02 12:00:05'
>>> short_id(UUID("01961c7e-8f00-7abc-8def-0123456789ab"))
'01961c7e…89ab'
"""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from babel.dates import format_timedelta

from ringfence.money import currency, format_minor, parse_minor
from ringfence.web.words import Language


def amount_text(minor: int, code: str) -> str:
    """For reading: thousands apart, and a minus as wide as a plus."""
    return format_minor(minor, currency(code), grouped=True).replace("-", "−")


def decimal_text(minor: int, code: str) -> str:
    """For programs: a plain decimal string."""
    return format_minor(minor, currency(code))


def regrouped(text: str, code: str) -> str:
    """A decimal string of the journal, for reading.

    >>> regrouped("-1234.50", "EUR")
    '−1,234.50'
    """
    return amount_text(parse_minor(text, currency(code)), code)


def moment_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock_text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M:%S")


def machine_moment(at: datetime) -> str:
    """ISO 8601 in UTC, for `<time datetime>` and JSON."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day_text(day: date) -> str:
    return day.isoformat()


def age_text(age: timedelta, language: Language) -> str:
    """An age in its largest whole unit: "3 min", "5 天"."""
    whole = max(age, timedelta(0))
    return format_timedelta(whole, threshold=1.2, format="short" if language == "en" else "long", locale=language)


def count_text(number: int) -> str:
    return f"{number:,}"


def short_id(identity: UUID | str | bytes) -> str:
    """The two ends of an id; the whole of it is in the page, to copy."""
    text = identity.hex() if isinstance(identity, bytes) else str(identity)
    return text if len(text) <= 14 else f"{text[:8]}…{text[-4:]}"


def masked(number: str) -> str:
    """An account number of which only the ends are shown.

    >>> masked("DE89370400440532013000")
    'DE89••••3000'
    """
    return number if len(number) <= 8 else f"{number[:4]}••••{number[-4:]}"
