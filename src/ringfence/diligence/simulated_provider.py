"""A simulated identity provider. What it says follows from its seed and the number, so that a day can be played again.

>>> from uuid import UUID
>>> from ringfence.diligence.provider import Inquiry
>>> def ask(provider, number, attempt=1):
...     return provider.ask(Inquiry(UUID(int=1), attempt, "person", "NL", "Ada", number)).value
>>> ask(SimulatedProvider(no_match=0, later=100, unavailable=0), "X1"), ask(SimulatedProvider(later=100), "X1", 2)
('later', 'match')
>>> ask(SimulatedProvider(no_match=100), "X1", 7)
'no_match'
"""

import hashlib
from dataclasses import dataclass

from ringfence.diligence.provider import SIMULATED, Answer, Inquiry
from ringfence.diligence.refusals import IDENTITY_PROVIDER_IS_DOWN
from ringfence.vault.fields import Shape, normalised


@dataclass(frozen=True)
class SimulatedProvider:
    """Of a hundred numbers, so many have no match, are answered later, or cannot be asked for at first."""

    seed: str = ""
    no_match: int = 0
    later: int = 0
    unavailable: int = 0

    def __post_init__(self) -> None:
        shares = (self.no_match, self.later, self.unavailable)
        if not all(type(each) is int and each >= 0 for each in shares) or sum(shares) > 100:
            raise ValueError("no_match, later and unavailable are numbers of a hundred together")

    @property
    def name(self) -> str:
        return SIMULATED

    def ask(self, inquiry: Inquiry) -> Answer:
        """The first time `later` and down are what they are; asked again, the number is found."""
        place = _place(self.seed, normalised(Shape.IDENTITY, inquiry.number))
        if place < self.no_match:
            return Answer.NO_MATCH
        if inquiry.attempt == 1 and place < self.no_match + self.later:
            return Answer.LATER
        if inquiry.attempt == 1 and place < self.no_match + self.later + self.unavailable:
            raise IDENTITY_PROVIDER_IS_DOWN(provider=self.name, detail="simulated")
        return Answer.MATCH


def _place(seed: str, number: str) -> int:
    """A number's place among a hundred."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{number}".encode()).digest()[:8]) % 100
