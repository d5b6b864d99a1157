"""The auditor's work, without a database: everything in a pack recomputed, and signed if all of it agrees.

For each file of leaves, in this order:

  log         it is signed by the notary's keys that were given (without: by those of the pack, which shows only that
              the pack agrees with itself)
  event       it has one LIABILITIES_PROVEN of that day and currency, in order in itself, which
              agrees with the rows that it names; the checkpoint it names is a beginning of the log
  leaves      every leaf opens: id from the holder, hash from id, amount and nonce; ids ascend strictly; no nonce stands
              twice, and none of a `before` pack is used again
  customers   holders and balances are those of an own replay of the journal up to the cut-off: nobody is left out,
              nobody made up, and who owes has 0, counted and summed apart
  sum         the amounts add up to the total, below 2^64 at every node
  root        the tree over the leaves has the published root

The replay is by the ledger's own rules. Whoever wants none of our code uses `verifier/`, which checks the same.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringfence.evidence.export import last_checkpoint
from ringfence.evidence.keys import read_verifier
from ringfence.evidence.note import Verifier
from ringfence.evidence.replay import Replay
from ringfence.evidence.tiles import Tiles, directory_reader
from ringfence.evidence.tree import Tree, peaks_of
from ringfence.evidence.tree import root as root_of
from ringfence.ledger.codes import EventName
from ringfence.ledger.model import Kind
from ringfence.liabilities.pack import FOLDER, PackedLeaf, read_leaves
from ringfence.liabilities.refusals import PACK_IS_NOT_FOR_THIS
from ringfence.liabilities.saying import Said, Unsaid, read
from ringfence.liabilities.tree import grow_over, identity, require_order
from ringfence.liabilities.verification import require_agreement
from ringfence.refusal import Refused

_HEAD_BYTES: Final = 116
_BLOCK_ROWS: Final = 65_536
_LINKED: Final = 1
_NAMED: Final = (
    EventName.RECONCILIATION_CLOSED,
    EventName.SAFEGUARDING_TESTED,
    EventName.DAY_CLOSED,
    EventName.LIABILITIES_PROVEN,
)


@dataclass(frozen=True)
class Finding:
    """What one step found: the sentence of what does not hold, or the figure that does."""

    name: str
    valid: bool
    detail: str


@dataclass(frozen=True)
class Audited:
    """One tree as the auditor found it; `text` is what may be signed, if all findings are good."""

    file: str
    text: str
    said: Said | None
    findings: tuple[Finding, ...]

    @property
    def valid(self) -> bool:
        return all(each.valid for each in self.findings)


_MALFORMED: Final = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What reading rows raises that no writer made."""


class _Wrong(Exception):  # noqa: N818 - what an auditor found, in words
    pass


@dataclass(frozen=True)
class _Owner:
    """A credit account of client money: whose it is, in which currency, opened in which row."""

    number: int
    owner: str
    currency: str


@dataclass(frozen=True)
class _Journal:
    """The rows of the pack that matter: events of _NAMED by sequence, client accounts by the row that opened each."""

    events: Mapping[int, tuple[int, bytes]]
    accounts: Mapping[int, _Owner]


def audit(folder: Path, before: Path | None = None, notary: Verifier | None = None) -> list[Audited]:
    """Every tree of a pack; `pack_is_not_for_this`, what reading a log refuses. `before` is an earlier pack, whose
    nonces must not come again; `notary` the keys as they reached the auditor another way.
    """
    files = sorted((folder / FOLDER).glob("*.leaves"))
    if not files:
        raise PACK_IS_NOT_FOR_THIS(path=folder, detail=f"there is no {FOLDER}/<day>-<currency>.leaves")
    verifier = notary or read_verifier(folder)
    _, checkpoint = last_checkpoint(folder, verifier)
    tiles = Tiles(checkpoint.size, checkpoint.root, directory_reader(folder))
    try:
        journal = _read(tiles)
    except _MALFORMED as malformed:
        raise PACK_IS_NOT_FOR_THIS(path=folder, detail="a row of its journal cannot be read") from malformed
    earlier = sorted((before / FOLDER).glob("*.leaves")) if before else []
    used = {leaf.nonce for file in earlier for leaf in read_leaves(file)} - {None}
    whose = "the key given" if notary else "the pack's own key"
    signed = Finding("log", valid=True, detail=f"{verifier.name}, {whose}")
    return [_audited(file, tiles, journal, verifier.name, used, signed) for file in files]


def _audited(
    file: Path, tiles: Tiles, journal: _Journal, log: str, used: Collection[bytes | None], signed: Finding
) -> Audited:
    found = [signed]

    def step(name: str, does: Any, *given: Any) -> Any:
        try:
            value, detail = does(*given)
        except (_Wrong, Unsaid) as wrong:
            found.append(Finding(name, valid=False, detail=str(wrong)))
            return None
        except Refused as refused:
            found.append(Finding(name, valid=False, detail=refused.sentence()))
            return None
        except _MALFORMED:
            found.append(Finding(name, valid=False, detail="a row of the journal does not say what it has to"))
            return None
        found.append(Finding(name, valid=True, detail=detail))
        return value

    said = step("event", _event, file.stem, tiles, journal, log)
    leaves = step("leaves", _leaves, file, log, used)
    if said is not None and leaves is not None:
        step("customers", _customers, said, leaves, tiles, journal)
        grown = step("sum", _sum, said, leaves)
        if grown is not None:
            step("root", _root, said, grown)
    return Audited(file.name, said.text(log) if said else "", said, tuple(found))


def _event(name: str, tiles: Tiles, journal: _Journal, log: str) -> tuple[Said, str]:
    about = []
    for sequence, (code, payload) in journal.events.items():
        if code == EventName.LIABILITIES_PROVEN:
            says = json.loads(payload)
            if f"{says.get('day')}-{says.get('currency')}" == name:
                about.append((sequence, says))
    if len(about) != 1:
        raise _Wrong(f"{len(about)} rows of the journal prove the liabilities of {name}")
    [(sequence, says)] = about
    said = read(says, sequence)
    if said.book != log.rpartition("/")[2]:
        raise _Wrong("it is of another book")

    def row(number: int, event: EventName) -> Mapping[str, Any]:
        code, payload = journal.events.get(number, (0, b""))
        if code != event:
            raise Unsaid(f"row {number} is no {event.name}")
        return dict(json.loads(payload))

    require_agreement(said, row)
    peaks = tuple(tiles.hashes(peaks_of(said.checkpoint_size)))
    if root_of(Tree(said.checkpoint_size, peaks)) != said.checkpoint_root:
        raise _Wrong("the checkpoint that it names is no beginning of the log")
    return said, f"row {sequence}"


def _leaves(file: Path, log: str, used: Collection[bytes | None]) -> tuple[list[PackedLeaf], str]:
    leaves = read_leaves(file)
    require_order(leaf.identity for leaf in leaves)
    book = log.rpartition("/")[2]
    nonces: set[bytes] = set()
    for place, leaf in enumerate(leaves, 1):
        if leaf.identity != identity(book, leaf.holder):
            raise _Wrong(f"line {place}: the id is not that of {leaf.holder}")
        if leaf.leaf is None or leaf.nonce is None:
            raise _Wrong(f"line {place}: the leaf of {leaf.holder} does not open: the customer was erased")
        if leaf.leaf.node.hash != leaf.hash:
            raise _Wrong(f"line {place}: id, amount and nonce do not make the leaf of {leaf.holder}")
        if leaf.nonce in nonces or leaf.nonce in used:
            raise _Wrong(f"line {place}: the nonce of {leaf.holder} was used before")
        nonces.add(leaf.nonce)
    return leaves, f"{len(leaves)} leaves"


def _customers(said: Said, leaves: list[PackedLeaf], tiles: Tiles, journal: _Journal) -> tuple[int, str]:
    balances = balances_at(tiles, journal, said.cut_off, said.currency)
    if (unclaimed := balances.pop("unallocated", 0)) > said.unallocated:
        raise _Wrong(f"{unclaimed} are unallocated by the journal; the event says {said.unallocated}")
    listed = {leaf.holder: leaf.amount for leaf in leaves}
    for holder in sorted(balances.keys() - listed.keys()):
        raise _Wrong(f"{holder} has an account and is left out")
    for holder in sorted(listed.keys() - balances.keys()):
        raise _Wrong(f"{holder} has no account: the journal knows nobody of that name")
    for holder, balance in balances.items():
        if listed[holder] != max(balance, 0):
            raise _Wrong(f"{holder} has {balance} by the journal and {listed[holder]} in the tree")
    below = [balance for balance in balances.values() if balance < 0]
    if (said.negative_count, said.negative_total) != (len(below), sum(below)):
        told = f"{said.negative_count} customers owe {said.negative_total}"
        raise _Wrong(f"{len(below)} customers owe {sum(below)}; the event says that {told}")
    if said.count != len(balances):
        raise _Wrong(f"there are {len(balances)} customers; the event says {said.count}")
    return len(balances), f"{len(balances)} customers, {len(below)} of them owe {sum(below)}"


def _sum(said: Said, leaves: list[PackedLeaf]) -> tuple[Any, str]:
    grown = grow_over(said.mode, [leaf.node for leaf in leaves])
    if grown.total != said.total:
        raise _Wrong(f"the leaves add up to {grown.total}; the event says {said.total}")
    return grown, str(grown.total)


def _root(said: Said, grown: Any) -> tuple[bytes, str]:
    if grown.root != said.root:
        raise _Wrong("the leaves do not make the root that was published")
    return grown.root, grown.root.hex()


# -- the journal of a pack ------------------------------------------------------------------------------------------


def _read(tiles: Tiles) -> _Journal:
    events: dict[int, tuple[int, bytes]] = {}
    accounts: dict[int, _Owner] = {}
    for sequence, record in enumerate(tiles.records(0, tiles.size)):
        kind = record[1]
        if kind == Kind.EVENT:
            if (code := int.from_bytes(record[88:92])) in _NAMED:
                events[sequence] = code, record[_HEAD_BYTES:]
        elif kind == Kind.ACCOUNT_OPENED:
            says = json.loads(record[_HEAD_BYTES:])
            if (says["pool"], says["side"]) == ("client", "credit") and says["owner"] != "platform":
                accounts[sequence] = _Owner(says["account"], says["owner"], says["currency"])
    return _Journal(events, accounts)


def balances_at(tiles: Tiles, journal: _Journal, cut_off: int, unit: str) -> dict[str, int]:
    """Every holder's balance by the rows before the cut-off, and what is unallocated, from a replay by the ledger's
    rules.
    """
    replay = Replay()
    for block in _blocks(tiles.records(0, cut_off)):
        replay.restore(block)
    found: dict[str, int] = {}
    sums = replay.balances
    for opened, account in journal.accounts.items():
        if opened < cut_off and account.currency == unit:
            balance = int(sums.credits[account.number]) - int(sums.debits[account.number])
            found[account.owner] = found.get(account.owner, 0) + balance
    return found


def _blocks(records: Iterable[bytes]) -> Iterable[list[bytes]]:
    """Blocks that end with a chain."""
    waiting: list[bytes] = []
    for record in records:
        waiting.append(record)
        if len(waiting) >= _BLOCK_ROWS and not record[3] & _LINKED:
            yield waiting
            waiting = []
    if waiting:
        yield waiting
