r"""Structured fields (RFC 8941): as much of them as signatures and digests of HTTP need, read strictly.

A field is a dictionary. A member is an inner list of items, or one item; both may carry parameters. An item is an
integer, a string, a token, a byte sequence or a boolean. Decimals, and whatever else is not in the grammar, is refused,
and so is a name that stands twice: of a signature there are no two readings.

>>> read = read_dictionary('sig1=("@method" "@path");created=1618884473;keyid="k"')
>>> read["sig1"].parameters["created"]
1618884473
>>> written(read["sig1"])
'("@method" "@path");created=1618884473;keyid="k"'
>>> read_dictionary("sha-256=:q83v:")["sha-256"].value
b'\xab\xcd\xef'
>>> read_dictionary("sig1=(")
Traceback (most recent call last):
...
ValueError: something is missing at 6
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

CHARACTERS_MAX: Final = 16_384
INTEGER_DIGITS_MAX: Final = 15

_KEY: Final = re.compile(r"[a-z*][a-z0-9_.*-]*", re.ASCII)
_INTEGER: Final = re.compile(r"-?[0-9]+", re.ASCII)
_STRING: Final = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"', re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*", re.ASCII)
_BYTES: Final = re.compile(r":([A-Za-z0-9+/=]*):", re.ASCII)
_BOOLEAN: Final = re.compile(r"\?([01])", re.ASCII)
_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")


@dataclass(frozen=True)
class Token:
    """A word without quotation marks."""

    text: str


Bare = int | str | bytes | Token  # a boolean is an integer of Python


@dataclass(frozen=True)
class Item:
    """A value with its parameters."""

    value: Bare
    parameters: Mapping[str, Bare]


@dataclass(frozen=True)
class InnerList:
    """Items in brackets, with the parameters of the whole."""

    items: tuple[Item, ...]
    parameters: Mapping[str, Bare]


def read_dictionary(text: str) -> dict[str, Item | InnerList]:
    """The members of a field, in their order; ValueError says at which character it cannot be read."""
    if len(text) > CHARACTERS_MAX:
        raise ValueError(f"more than {CHARACTERS_MAX} characters")
    reader = _Reader(text.strip(" "))
    found: dict[str, Item | InnerList] = {}
    while True:
        key = reader.key()
        if key in found:
            raise ValueError(f"{key} stands twice")
        if reader.skip("="):
            found[key] = reader.inner_list() if reader.here("(") else reader.item()
        else:
            found[key] = Item(True, reader.parameters())
        if reader.at_end:
            return found
        reader.take(_COMMA)


def written(member: InnerList | Item) -> str:
    """A member in its canonical form (RFC 8941, 4.1)."""
    if isinstance(member, InnerList):
        inside = f"({' '.join(written(item) for item in member.items)})"
        return inside + _written_parameters(member.parameters)
    return _written_bare(member.value) + _written_parameters(member.parameters)


def _written_parameters(parameters: Mapping[str, Bare]) -> str:
    return "".join(
        f";{name}" if value is True else f";{name}={_written_bare(value)}" for name, value in parameters.items()
    )


def _written_bare(value: Bare) -> str:
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f":{base64.b64encode(value).decode()}:"
    if isinstance(value, Token):
        return value.text
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Reader:
    """A place in a text that moves forward."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    @property
    def at_end(self) -> bool:
        return self.place == len(self.text)

    def here(self, character: str) -> bool:
        return self.text.startswith(character, self.place)

    def skip(self, character: str) -> bool:
        """Whether the character stands here; it is passed then."""
        found = self.here(character)
        self.place += found
        return found

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.place)
        if found is None:
            raise ValueError(f"something is missing at {self.place}")
        self.place = found.end()
        return found

    def key(self) -> str:
        return self.take(_KEY)[0]

    def inner_list(self) -> InnerList:
        items: list[Item] = []
        self.place += 1
        while True:
            spaces = self.place
            while self.skip(" "):
                pass
            if self.skip(")"):
                return InnerList(tuple(items), self.parameters())
            if items and self.place == spaces:
                raise ValueError(f"something is missing at {self.place}")
            items.append(self.item())

    def item(self) -> Item:
        return Item(self.bare(), self.parameters())

    def parameters(self) -> dict[str, Bare]:
        found: dict[str, Bare] = {}
        while self.skip(";"):
            while self.skip(" "):
                pass
            key = self.key()
            if key in found:
                raise ValueError(f"{key} stands twice")
            found[key] = self.bare() if self.skip("=") else True
        return found

    def bare(self) -> Bare:
        """One value; what it is shows in its first character (RFC 8941, 4.2.3.1)."""
        if self.here('"'):
            return re.sub(r'\\(["\\])', r"\1", self.take(_STRING)[1])
        if self.here(":"):
            return _decoded(self.take(_BYTES)[1])
        if self.here("?"):
            return self.take(_BOOLEAN)[1] == "1"
        if self.text[self.place : self.place + 1] in {*"-0123456789"} - {""}:
            digits = self.take(_INTEGER)[0]
            if len(digits.removeprefix("-")) > INTEGER_DIGITS_MAX or self.here("."):
                raise ValueError(f"{digits[:20]} is not an integer of {INTEGER_DIGITS_MAX} digits")
            return int(digits)
        return Token(self.take(_TOKEN)[0])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a byte sequence is not base64") from error
