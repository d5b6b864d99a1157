"""How like two names are: 0 to 100, and why.

A name is prepared once: its words in one spelling (`names.words`), titles dropped, legal forms and numbers made one
word each. Two names are compared word by word: each word finds its best partner, and what is left over is weighed.

  matched    partners, each with the likeness of the two words (letters changed, or one skeleton, or one beginning)
  conflict   words left over on both sides: a different given name, a different town. Costs most.
  extra      words left over on one side only: a patronymic, an added place. Costs little.

  score = 100 · Σ matched·likeness / (Σ matched + CONFLICT·conflict + EXTRA·extra)

Words weigh by how telling they are: particles and legal forms little, what stands in many listed names less than what
stands in one. 100 is kept for names with equal words, in order or rotated ("PUTIN, Vladimir"); another order gives 97.

>>> likeness(prepare("Владимир Путин"), prepare("PUTIN, Vladimir"))
(100, 'the same words')
>>> likeness(prepare("Vladimir Putin"), prepare("PUTIN, Vladimir Vladimirovich"))[0] >= 85
True
>>> likeness(prepare("Boris Putin"), prepare("PUTIN, Vladimir"))[0] < 60
True
"""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

from rapidfuzz.distance import OSA, Indel

from ringfence.risk.names import is_eastern, skeleton, words

CONFLICT: Final = 1.2
EXTRA: Final = 0.25
WORD_LEAST: Final = 0.7  # less alike than this, two words are two words
SOUND_LEAST: Final = 0.5  # words of one skeleton are at least this much alike
LIGHT: Final = 0.25  # weight of particles, legal forms and single letters
TELLING_LEAST: Final = 1.5  # words that weigh less together do not stand for a longer name

_WORDS: Final = tomllib.loads(resources.files("ringfence.risk").joinpath("name_words.toml").read_text("utf-8"))
_TITLES: Final = frozenset(_WORDS["titles"].split())
_LITTLE: Final = frozenset([*_WORDS["particles"].split(), *_WORDS["forms"]])
_ONE_WORD: Final = {written: one for one, ways in (_WORDS["forms"] | _WORDS["same"]).items() for written in ways}
_LONGEST: Final = max(len(each.split()) for each in _ONE_WORD)
_BEGINNINGS: Final = frozenset(each.split()[0] for each in _ONE_WORD)

Weight = Callable[[str], float]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A name ready to be compared: its words, what each weighs, and all of them written together."""

    words: tuple[str, ...]
    weights: tuple[float, ...]
    total: float
    joined: str


def base_weight(word: str) -> float:
    """What a word weighs before one knows how common it is."""
    is_letter = len(word) == 1 and not word.isdigit() and not is_eastern(word)
    return LIGHT if is_letter or word in _LITTLE else 1.0


def prepare(name: str, weight: Weight = base_weight) -> Prepared:
    """A name ready to be compared; `weight` tells what a word weighs."""
    found = _one_word_each([word for each in _given_first(name) for word in words(each)])
    kept = tuple(word for word in found if word not in _TITLES) or tuple(found)
    weights = tuple(weight(word) for word in kept)
    return Prepared(kept, weights, sum(weights), "".join(kept))


def likeness(one: Prepared, other: Prepared) -> tuple[int, str]:
    """The score of two prepared names, and why."""
    if not one.words or not other.words:
        return 0, "no words"
    if one.words == other.words or _is_rotation(one.words, other.words):
        return 100, "the same words"
    if sorted(one.words) == sorted(other.words):
        return 97, "the same words in another order"
    by_word, why = _by_word(one, other)
    together = _together(one, other)
    return (together, "the same letters, parted otherwise") if together > by_word else (by_word, why)


@lru_cache(maxsize=100_000)
def word_likeness(one: str, other: str) -> float:
    """How like two words are, from 0 (two words) or `WORD_LEAST` to 1."""
    if one == other:
        return 1.0
    if is_eastern(one) or is_eastern(other):
        found = Indel.normalized_similarity(one, other)
        return found if found >= 0.8 else 0.0
    if len(one) == 1 or len(other) == 1:
        return WORD_LEAST if one[0] == other[0] else 0.0
    found = OSA.normalized_similarity(one, other)
    if skeleton(one) == skeleton(other):
        found = max(found, SOUND_LEAST + (1 - SOUND_LEAST) * found)
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) >= 4 and longer.startswith(shorter):
        found = max(found, 0.6 + 0.3 * len(shorter) / len(longer))
    return found if found >= WORD_LEAST else 0.0


def _by_word(one: Prepared, other: Prepared) -> tuple[int, str]:
    pairs = []
    for i, word in enumerate(one.words):
        for j, partner in enumerate(other.words):
            alike = word_likeness(word, partner)
            if alike:
                pairs.append((alike * min(one.weights[i], other.weights[j]), alike, i, j))
    pairs.sort(reverse=True)
    left, right = set(range(len(one.words))), set(range(len(other.words)))
    mass = got = 0.0
    for _, alike, i, j in pairs:
        if i in left and j in right:
            left.remove(i)
            right.remove(j)
            weight = (one.weights[i] + other.weights[j]) / 2
            mass, got = mass + weight, got + weight * alike
    if not mass:
        return 0, "no word in common"
    rest, rest_other = sum(one.weights[i] for i in left), sum(other.weights[j] for j in right)
    conflict, extra = min(rest, rest_other), abs(rest - rest_other)
    score = got / (mass + CONFLICT * conflict + EXTRA * extra)
    if extra > LIGHT and mass < TELLING_LEAST:
        score *= 0.85  # one word alone out of several says little, and so do two common ones
    why = (
        "like words" if not extra and not conflict else "like words, and others" if not conflict else "some like words"
    )
    return min(99, round(100 * score)), why


def _together(one: Prepared, other: Prepared) -> int:
    """Words may be parted otherwise, or not at all."""
    if len(one.words) == len(other.words) or min(len(one.joined), len(other.joined)) < 6:
        return 0
    return min(98, round(98 * OSA.normalized_similarity(one.joined, other.joined)))


def _given_first(name: str) -> Sequence[str]:
    """A name written "SURNAME, Given" in the order in which it is spoken."""
    before, comma, after = name.partition(",")
    return (after, before) if comma and "," not in after else (name,)


def _is_rotation(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    if len(one) != len(other):
        return False
    return any(one[turn:] + one[:turn] == other for turn in range(1, len(one)))


def _one_word_each(found: list[str]) -> list[str]:
    """Legal forms and numbers as one word each, however many they were written with; the longest first."""
    if not _BEGINNINGS.intersection(found):
        return found
    result = []
    index = 0
    while index < len(found):
        taken = 1
        word = found[index]
        if word in _BEGINNINGS:
            for length in range(min(_LONGEST, len(found) - index), 0, -1):
                known = _ONE_WORD.get(" ".join(found[index : index + length]))
                if known is not None:
                    word, taken = known, length
                    break
        result.append(word)
        index += taken
    return result
