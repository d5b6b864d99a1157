"""What is left when keys and amounts have matched: contra items, and a discrepancy for each rest. Pure.

A movement has at most one key, of one kind, and no other movement of its account has that key. An entry may have both
kinds, and a bank may give one reference twice. So, for what did not match exactly:

    movements                 entries with its key, same direction     finding
    ========================  ======================================  =================================================
    a key                     one, of another amount                   amount_differs
    a key                     several, all of one other amount         amount_differs, duplicate_at_bank for the further
    a key                     several, of several other amounts        no pair: which one it is would be a guess
    a key, matched already    one more of the matched amount           duplicate_at_bank
    ========================  ======================================  =================================================

Whatever is in no pair is `missing_at_bank` (a movement) or `missing_in_books` (an entry).

Contra items are a correction with the movement that it takes back, and a bank's reversal with the entry of the same key
and the opposite amount. An entry that belongs to a payment order of ours is no contra item, because its movement may
yet come.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal
from uuid import UUID

from ringfence.ledger.model import Kind

DiscrepancyKind = Literal[
    "missing_at_bank", "missing_in_books", "amount_differs", "duplicate_at_bank", "balance_differs"
]
KINDS: Final[tuple[DiscrepancyKind, ...]] = (
    "missing_at_bank",
    "missing_in_books",
    "amount_differs",
    "duplicate_at_bank",
    "balance_differs",
)
KeyKind = Literal["end_to_end_id", "bank_reference"]


@dataclass(frozen=True, slots=True)
class Movement:
    """A row of our cashbook; `amount` is positive for money that came in. `kind` is the journal's."""

    sequence: int
    journal_id: UUID
    amount: int
    day: date
    kind: int = Kind.TRANSFER
    refers_to: UUID | None = None
    key_kind: KeyKind | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a statement; `amount` is positive for money that came in. `twin` is the matched entry that this one
    repeats; `ordered` says that its end-to-end id is a payment order's of ours.
    """

    key: str
    amount: int
    day: date
    reversal: bool = False
    bank_reference: str | None = None
    end_to_end_id: str | None = None
    twin: str | None = None
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A discrepancy as it is found. `difference` is what the bank's balance has more than ours because of it."""

    kind: DiscrepancyKind
    difference: int
    movement: Movement | None = None
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Contra:
    """Two lines of one side that undo each other, by sequence (books) or key (bank): the later one first."""

    side: Literal["books", "bank"]
    item: str
    counter_item: str


@dataclass(frozen=True, slots=True)
class Rest:
    """What a run leaves: everything that did not match is in exactly one of these."""

    findings: tuple[Finding, ...]
    contra: tuple[Contra, ...]


def classify(movements: Sequence[Movement], entries: Sequence[Entry]) -> Rest:
    """Findings for the movements and entries that did not match, in the order of the tables above. The order of
    `entries` decides which of several alike is the first.
    """
    corrected = _corrections(movements)
    undone = {item for pair in corrected for item in (pair.item, pair.counter_item)}
    ours = [each for each in movements if str(each.sequence) not in undone]

    reversed_ = _reversals(entries)
    undone = {item for pair in reversed_ for item in (pair.item, pair.counter_item)}
    theirs = [each for each in entries if each.key not in undone]

    paired = _other_amounts(ours, theirs)
    settled = {each.movement.sequence for each in paired if each.movement}
    taken = {each.entry.key for each in paired if each.entry}
    twins = [_found("duplicate_at_bank", entry=each) for each in theirs if each.twin and each.key not in taken]
    taken |= {each.entry.key for each in twins if each.entry}

    at_bank = [_found("missing_at_bank", movement=each) for each in ours if each.sequence not in settled]
    in_books = [_found("missing_in_books", entry=each) for each in theirs if each.key not in taken]
    return Rest((*at_bank, *in_books, *paired, *twins), (*corrected, *reversed_))


def unexplained(cashbook: int, bank: int, findings: Iterable[Finding]) -> Finding | None:
    """The proof: bank = cashbook + what the findings make. What is left over is a discrepancy of its own."""
    left = bank - cashbook - sum(each.difference for each in findings)
    return Finding("balance_differs", left) if left else None


def _found(kind: DiscrepancyKind, *, movement: Movement | None = None, entry: Entry | None = None) -> Finding:
    difference = (entry.amount if entry else 0) - (movement.amount if movement else 0)
    return Finding(kind, difference, movement, entry)


def _corrections(movements: Sequence[Movement]) -> list[Contra]:
    """Each correction undoes the movement that it refers to, unless that one is a correction that undid something."""
    by_id = {each.journal_id: each for each in movements}
    pairs, used = [], set[int]()
    for each in sorted(movements, key=lambda movement: movement.sequence):
        original = by_id.get(each.refers_to) if each.kind == Kind.CORRECTION and each.refers_to else None
        if original is not None and original.amount == -each.amount and original.sequence not in used:
            used |= {original.sequence, each.sequence}
            pairs.append(Contra("books", str(each.sequence), str(original.sequence)))
    return pairs


def _reversals(entries: Sequence[Entry]) -> list[Contra]:
    """Each reversal undoes the first entry of its key and the opposite amount that nothing has undone yet."""
    undoable = [each for each in entries if not each.reversal and (each.twin or not each.ordered)]
    by_key = _by_key(undoable)
    pairs, used = [], set[str]()
    for each in entries:
        if not each.reversal:
            continue
        originals = [
            original
            for key in _keys(each)
            for original in by_key[key]
            if original.amount == -each.amount and original.key not in used
        ]
        if originals:
            used.add(originals[0].key)
            pairs.append(Contra("bank", each.key, originals[0].key))
    return pairs


def _other_amounts(movements: Sequence[Movement], entries: Sequence[Entry]) -> list[Finding]:
    by_key = _by_key(each for each in entries if not each.twin)
    findings, used = list[Finding](), set[str]()
    for movement in movements:
        if movement.key_kind is None or movement.key is None:
            continue
        same_key = [
            each
            for each in by_key[movement.key_kind, movement.key]
            if each.key not in used and (each.amount > 0) == (movement.amount > 0)
        ]
        if len({each.amount for each in same_key}) != 1:
            continue
        first, *further = same_key
        used |= {each.key for each in same_key}
        findings.append(_found("amount_differs", movement=movement, entry=first))
        findings += [_found("duplicate_at_bank", entry=each) for each in further]
    return findings


def _keys(entry: Entry) -> list[tuple[str, str]]:
    keys = (("end_to_end_id", entry.end_to_end_id), ("bank_reference", entry.bank_reference))
    return [(kind, key) for kind, key in keys if key]


def _by_key(entries: Iterable[Entry]) -> defaultdict[tuple[str, str], list[Entry]]:
    found: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        for key in _keys(entry):
            found[key].append(entry)
    return found
