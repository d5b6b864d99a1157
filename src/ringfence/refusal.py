"""How Ringfence says no.

A refusal is a value with a name, the party at fault, and one sentence in each language. It is declared once, as a
constant of the package whose rule it is, and raised by calling that constant with the facts of the case::

    STATEMENT_DOES_NOT_ADD_UP = refusal(
        "statement_does_not_add_up", Fault.INPUT,
        en="Opening {opening} and entries {entries} do not make closing {closing}.",
        zh="期初 {opening} 加发生额 {entries} 不等于期末 {closing}。",
    )
    raise STATEMENT_DOES_NOT_ADD_UP(opening="1.00", entries="1.00", closing="3.00")

A defect of the program raises anything else. The edges (HTTP, console, command line) know only `Refused`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

_declared: dict[str, "Refusal"] = {}


class Fault(Enum):
    """Who has to do something about it; the value is the HTTP status."""

    INPUT = 422  # the file or request is wrong in itself
    UNKNOWN = 404  # it names something that is not there
    PERMISSION = 403  # this person or process may not
    IDENTITY = 401  # nobody is signed in
    STATE = 409  # the books, or somebody who was faster, forbid it now
    MACHINE = 503  # the disk, the network, the database, the clock


@dataclass(frozen=True)
class Refusal:
    """One way to say no. `en` and `zh` are templates over the facts; `name` is stable and may be relied upon."""

    name: str
    fault: Fault
    en: str
    zh: str

    def __call__(self, **facts: Any) -> "Refused":
        return Refused(self, facts)


@dataclass(frozen=True)
class _Unsaid:
    """Stands in for a fact that the raiser did not give, so that a sentence is never lost to a KeyError."""

    name: str

    def __format__(self, _: str) -> str:
        return f"<{self.name}>"


class _Facts(dict[str, Any]):
    def __missing__(self, key: str) -> _Unsaid:
        return _Unsaid(key)


@dataclass
class Refused(Exception):  # noqa: N818 - the field's word; it is not an error of the program
    """A refusal of one case, with its facts (plain values that may be shown to whoever asked)."""

    refusal: Refusal
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def name(self) -> str:
        return self.refusal.name

    def sentence(self, language: str = "en") -> str:
        template = self.refusal.zh if language == "zh" else self.refusal.en
        return template.format_map(_Facts(self.facts))

    def as_json(self, language: str = "en") -> dict[str, Any]:
        """The one shape of a refusal for machines, on the command line and over HTTP."""
        return {
            "refused": self.name,
            "sentence": self.sentence(language),
            "facts": {name: value if isinstance(value, int) else str(value) for name, value in self.facts.items()},
        }

    def __str__(self) -> str:
        return f"{self.name}: {self.sentence()}"


def refusal(name: str, fault: Fault, *, en: str, zh: str) -> Refusal:
    """Declare a refusal; the name must be new in the whole program."""
    if name in _declared:
        raise ValueError(f"refusal {name} is declared twice")
    _declared[name] = Refusal(name, fault, en, zh)
    return _declared[name]


def declared() -> list[Refusal]:
    """Every refusal of the packages imported so far, in the order of declaration, which is the order of precedence."""
    return list(_declared.values())
