"""Screening: which listed names is a name like?

`Screen` holds the names of every list in an inverted index. A name is looked up in three steps, each narrowing:

  1. each word finds the listed words it is like: itself, those with its skeleton, those one letter away
  2. the listed names that hold such words are rated together, in arrays, by what their common words weigh
  3. the best of them are compared properly (`likeness`)

A word that stands in many listed names weighs less than one that stands in few, so that half the world is not like
everybody called Mohammed. 100 means the very words of a telling name. Words that say little (one word, or common ones)
give no more than `COMMON_SCORE`; weak names (those that a list itself calls weak) count only word for word, and for
`WEAK_SCORE`.

>>> from ringfence.risk.lists import load_sample
>>> screen = Screen(load_sample())
>>> [(match.list, match.entry, match.score) for match in screen.matches("Veskarimow, Orsolan", least=80)]
[('invented', 'RF-001', 98)]
>>> screen.matches("Anna Schmidt", least=80)
[]
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ringfence.risk.decision import Match
from ringfence.risk.likeness import (
    CONFLICT,
    EXTRA,
    TELLING_LEAST,
    Prepared,
    base_weight,
    likeness,
    prepare,
    word_likeness,
)
from ringfence.risk.lists import Entry, ListedName, SanctionsList
from ringfence.risk.names import is_eastern, skeleton

COMPARED_MOST: Final = 60  # names of step 3
RATED_BELOW: Final = 20  # how far below the score asked for step 2 may rate a name
WEAK_SCORE: Final = 90
COMMON_SCORE: Final = 98
WEIGHT_LEAST: Final = 0.3
NAMES_LEAST: Final = 1_000

Places = npt.NDArray[np.int32]


class Screen:
    """The names of several lists, ready to be searched by many threads."""

    def __init__(self, lists: Iterable[SanctionsList]) -> None:
        self.lists = tuple(lists)
        self._listed: list[tuple[SanctionsList, Entry, ListedName]] = [
            (each, entry, name) for each in self.lists for entry in each.entries for name in entry.names
        ]
        plain = [prepare(name.text) for _, _, name in self._listed]
        counted = Counter(word for name in plain for word in set(name.words))
        self._weights = {word: _weight(word, count, len(plain)) for word, count in counted.items()}
        self._names = [self._weighed(name) for name in plain]
        self._totals = np.array([name.total for name in self._names])
        self._holders = _places((word, place) for place, name in enumerate(plain) for word in set(name.words))
        self._joined = _places(
            (key, place) for place, name in enumerate(plain) for key in {name.joined, skeleton(name.joined)}
        )
        self._near = _near(self._holders)

    def __len__(self) -> int:
        """How many names are listed."""
        return len(self._listed)

    def matches(self, name: str, least: int) -> list[Match]:
        """The listed names that `name` is like with at least `least`; of each entry the best, the best first."""
        asked = self._weighed(prepare(name))
        best: dict[tuple[str, str], Match] = {}
        for place in self._candidates(asked, least):
            of_list, entry, listed = self._listed[place]
            score, why = self._score(asked, self._names[place], listed)
            known = best.get((of_list.name, entry.id))
            if score >= least and (known is None or score > known.score):
                best[of_list.name, entry.id] = Match(of_list.name, entry.id, listed.text, score, why)
        return sorted(best.values(), key=lambda match: (-match.score, match.list, match.entry))

    def entry(self, of_list: str, entry_id: str) -> Entry | None:
        """An entry by what a decision says of it."""
        return next((found for each in self.lists if each.name == of_list and (found := each.entry(entry_id))), None)

    def words_like(self, word: str) -> list[tuple[str, float]]:
        """Step 1: the listed words that a word is like, and how much."""
        keys = _keys(word) if word not in self._holders else (word, *_keys(word))
        found = {listed for key in keys for listed in self._near.get(key, ())}
        if word in self._holders:
            found.add(word)
        return [(listed, alike) for listed in found if (alike := word_likeness(word, listed))]

    def _weighed(self, name: Prepared) -> Prepared:
        weights = tuple(self._weights.get(word) or base_weight(word) for word in name.words)
        return replace(name, weights=weights, total=sum(weights))

    def _candidates(self, asked: Prepared, least: int) -> Sequence[int]:
        """Step 2. Words in common are taken at their likeness; a name that holds two variants of one word is overrated,
        which step 3 puts right.
        """
        places: list[Places] = []
        values: list[float] = []
        for word, weight in zip(asked.words, asked.weights, strict=True):
            for listed, alike in self.words_like(word):
                places.append(self._holders[listed])
                values.append(weight * alike)
        for key in (asked.joined, skeleton(asked.joined)):
            if key in self._joined:
                places.append(self._joined[key])
                values.append(asked.total)
        if not places:
            return ()
        shares = np.repeat(np.array(values), [len(each) for each in places])
        rated = np.bincount(np.concatenate(places), shares, len(self._names))
        held = np.flatnonzero(rated > 0)
        matched = np.minimum(rated[held], asked.total)
        rest, rest_other = asked.total - matched, np.maximum(self._totals[held] - matched, 0)
        cost = CONFLICT * np.minimum(rest, rest_other) + EXTRA * np.abs(rest - rest_other)
        scores = 100 * matched / (matched + cost)
        good = held[scores >= least - RATED_BELOW]
        if len(good) > COMPARED_MOST:
            ranked = np.argsort(-scores[scores >= least - RATED_BELOW], kind="stable")
            good = good[ranked[:COMPARED_MOST]]
        return [int(place) for place in good]

    @staticmethod
    def _score(asked: Prepared, name: Prepared, listed: ListedName) -> tuple[int, str]:
        """Step 3, and what a list or a common name leaves of the score."""
        if listed.weak:
            return (WEAK_SCORE, "a weak alias") if sorted(asked.words) == sorted(name.words) else (0, "")
        score, why = likeness(asked, name)
        if score > COMMON_SCORE and not _is_telling(name):
            return COMMON_SCORE, "the same words, common ones"
        return score, why


def _weight(word: str, count: int, names: int) -> float:
    """From `WEIGHT_LEAST` for a word in every tenth name or so to 1 for one that stands in few. A short list does not
    tell what is common.
    """
    many = max(names, NAMES_LEAST)
    rare = math.log(many / count) / math.log(many)
    return base_weight(word) * max(WEIGHT_LEAST, min(1.0, 1.3 * rare))


def _is_telling(name: Prepared) -> bool:
    if len(name.words) == 1:
        return is_eastern(name.joined) and len(name.joined) > 2
    return name.total >= TELLING_LEAST


def _places(pairs: Iterable[tuple[str, int]]) -> Mapping[str, Places]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for key, place in pairs:
        found[key].append(place)
    return {key: np.array(places, np.int32) for key, places in found.items()}


def _near(listed: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """The listed words by their keys."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for word in listed:
        for key in _keys(word):
            found[key].append(word)
    return {key: tuple(those) for key, those in found.items()}


def _keys(word: str) -> set[str]:
    """Two words that are like each other share a key: the skeleton, the word, the word without one of its letters.
    Eastern words share two characters that stand together.
    """
    if is_eastern(word):
        return {"=" + word[start : start + 2] for start in range(max(1, len(word) - 1))}
    keys = {"~" + skeleton(word), word}
    if len(word) >= 4:
        keys |= {word[:gap] + word[gap + 1 :] for gap in range(len(word))}
    return keys
