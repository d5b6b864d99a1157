"""The tree of what customers are owed, pure: leaves, nodes, paths (docs/reference/liabilities-format.md).

A *leaf* is one holder: an id that the holder can recompute, an amount, and a nonce that keeps the leaf from being
guessed. Leaves ascend strictly by id, so that a holder is in once. Two modes join them: `auditor`, the tree of RFC 6962
over the leaves, whose sum an auditor vouches for; and `sum`, where each node is made of both children's hashes *and*
both their sums, so that the root binds the total and every path adds up. (The first published sum tree hashed only
the sum of the two: whoever built it could show each customer another split. Here a sum has no second reading.)

>>> leaves = sorted(Leaf(identity("demo", f"customer:c{n}"), 100 * n, bytes([n]) * 32) for n in (1, 2, 3))
>>> grown = grow(Mode.SUM, leaves)
>>> grown.count, grown.total
(3, 600)
>>> path = grown.path(2)
>>> check(Mode.SUM, leaves[2], 2, path, count=3, total=600, root=grown.root)
>>> check(Mode.SUM, leaves[2], 2, path, count=3, total=601, root=grown.root)
Traceback (most recent call last):
    ...
ringfence.refusal.Refused: liabilities_do_not_add_up: The path adds up to 600, and the total says 601.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import digest as hmac_digest
from itertools import pairwise
from operator import add
from typing import Final

from ringfence.liabilities.refusals import (
    LEAF_DOES_NOT_LEAD_TO_ROOT,
    LEAF_INDEX_IS_BEYOND_TREE,
    LEAF_PATH_HAS_WRONG_LENGTH,
    LEAVES_ARE_NOT_IN_ORDER,
    LIABILITIES_DO_NOT_ADD_UP,
    LIABILITY_IS_NOT_UNSIGNED_64_BIT,
    LIABILITY_SUM_OVERFLOWS,
)

U64_MAX: Final = 2**64 - 1
HASH_BYTES: Final = 32
TAG: Final = b"ringfence/liability/v1"
_CUSTOMER: Final = "ringfence/customer/v1"
_NONCE: Final = "ringfence/nonce/v1"


class Mode(StrEnum):
    """Who vouches for the total: an auditor who adds up all leaves, or the root itself."""

    AUDITOR = "auditor"
    SUM = "sum"

    @property
    def reveals(self) -> list[str]:
        """What a path tells of other customers."""
        return ["count"] if self is Mode.AUDITOR else ["count", "sums"]


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """A hash, and the sum of the amounts below it."""

    hash: bytes
    sum: int


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """What a holder is owed, in minor units; never negative."""

    identity: bytes
    amount: int
    nonce: bytes

    @property
    def record(self) -> bytes:
        """`liability_is_not_unsigned_64_bit`"""
        return TAG + self.identity + u64(self.amount) + self.nonce

    @property
    def node(self) -> Node:
        return Node(sha256(b"\x00" + self.record).digest(), self.amount)


def identity(book: str, holder: str) -> bytes:
    """The id of a holder, `customer:<id>`, in a book of that name."""
    return sha256(_text(_CUSTOMER) + _text(book) + _text(holder)).digest()


def nonce(secret: bytes, whose: bytes, day: str, currency: str) -> bytes:
    """The nonce of the holder with the id `whose` for one day and currency, from the holder's secret."""
    return hmac_digest(secret, _text(_NONCE) + _text(day) + _text(currency) + whose, "sha256")


def u64(amount: int) -> bytes:
    if not 0 <= amount <= U64_MAX:
        raise LIABILITY_IS_NOT_UNSIGNED_64_BIT(amount=amount)
    return amount.to_bytes(8, "big")


@dataclass(frozen=True)
class Row:
    """Nodes side by side: their hashes one after the other, and their sums. (An object each would be as many as there
    are customers, and the collector of garbage would stop the program to walk through them.)
    """

    hashes: bytes
    sums: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sums)

    def __getitem__(self, index: int) -> Node:
        return Node(self.hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES], self.sums[index])

    def __iter__(self) -> Iterator[Node]:
        return map(self.__getitem__, range(len(self)))


@dataclass(frozen=True)
class Grown:
    """A tree: its rows of nodes from the leaves up, and what it comes to."""

    mode: Mode
    rows: tuple[Row, ...]

    @property
    def count(self) -> int:
        return len(self.rows[0])

    @property
    def root(self) -> bytes:
        return self.rows[-1][0].hash if self.count else sha256().digest()

    @property
    def total(self) -> int:
        return self.rows[-1][0].sum if self.count else 0

    def path(self, index: int) -> list[Node]:
        """The siblings from the leaf at `index` up. In mode `auditor` their sums mean nothing to anybody."""
        if not 0 <= index < self.count:
            raise LEAF_INDEX_IS_BEYOND_TREE(index=index, count=self.count)
        found = []
        for row in self.rows[:-1]:
            if index ^ 1 < len(row):
                found.append(row[index ^ 1])
            index >>= 1
        return found


def grow(mode: Mode, leaves: Sequence[Leaf]) -> Grown:
    """The tree over leaves; `leaves_are_not_in_order`, `liability_is_not_unsigned_64_bit`,
    `liability_sum_overflows`.
    """
    require_order(leaf.identity for leaf in leaves)
    return grow_over(mode, [leaf.node for leaf in leaves])


def grow_over(mode: Mode, nodes: Iterable[Node]) -> Grown:
    """The tree over the nodes of leaves whose order was looked at."""
    given = list(nodes)
    return grow_from(mode, Row(b"".join(node.hash for node in given), tuple(node.sum for node in given)))


def grow_from(mode: Mode, row: Row) -> Grown:
    """The tree over a row of leaves whose order was looked at."""
    rows = [row]
    while len(rows[-1]) > 1:
        rows.append(_row_above(mode, rows[-1]))
    return Grown(mode, tuple(rows))


def _row_above(mode: Mode, below: Row) -> Row:
    """Nodes joined in pairs, from the left; an odd last one moves up as it is. As `check` joins them, in columns."""
    pairs = len(below) // 2
    sums = tuple(map(add, below.sums[: 2 * pairs : 2], below.sums[1::2]))
    if max(sums, default=0) > U64_MAX:
        at = 2 * next(index for index, found in enumerate(sums) if found > U64_MAX)
        raise LIABILITY_SUM_OVERFLOWS(left=below.sums[at], right=below.sums[at + 1])
    joined, width = below.hashes, HASH_BYTES
    if mode is Mode.SUM:
        width += 8
        joined = b"".join(
            below.hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES] + u64(below.sums[at]) for at in range(2 * pairs)
        )
    hashes = b"".join(sha256(b"\x01" + joined[at * 2 * width : (at + 1) * 2 * width]).digest() for at in range(pairs))
    return Row(hashes + below.hashes[2 * pairs * HASH_BYTES :], sums + below.sums[2 * pairs :])


class Gathering:
    """Leaves as they come, in any order; no more than id, amount and hash is kept of each.

    They are kept by the first byte of the id, so that they are sorted in short lists: one long one would keep every
    other thread of the program waiting.
    """

    def __init__(self) -> None:
        self._leaves: list[list[tuple[bytes, int, bytes]]] = [[] for _ in range(256)]

    def add(self, leaf: Leaf) -> None:
        self._leaves[leaf.identity[0]].append((leaf.identity, leaf.amount, leaf.node.hash))

    def grown(self, mode: Mode) -> tuple[Grown, bytes]:
        """The tree, and its leaves as they are kept: id, amount, hash; `leaves_are_not_in_order`: one stands twice."""
        leaves = [leaf for some in self._leaves for leaf in sorted(some)]
        require_order(whose for whose, _, _ in leaves)
        row = Row(b"".join(hash_ for _, _, hash_ in leaves), tuple(amount for _, amount, _ in leaves))
        return grow_from(mode, row), b"".join(whose + u64(amount) + hash_ for whose, amount, hash_ in leaves)


def require_order(identities: Iterable[bytes]) -> None:
    """Strictly ascending: a holder who stands twice, or a list in another order, is refused with the place."""
    for place, (one, next_one) in enumerate(pairwise(identities), 1):
        if one >= next_one:
            raise LEAVES_ARE_NOT_IN_ORDER(index=place)


def check(mode: Mode, leaf: Leaf, index: int, path: Sequence[Node], *, count: int, total: int, root: bytes) -> None:
    """Does the leaf stand at `index` in the tree of `count` leaves with this root, in mode `sum` with this total?"""
    if not 0 <= index < count:
        raise LEAF_INDEX_IS_BEYOND_TREE(index=index, count=count)
    join, node = JOINS[mode], leaf.node
    waiting, at, width = list(path), index, count
    while width > 1:
        if at ^ 1 < width:
            if not waiting:
                raise LEAF_PATH_HAS_WRONG_LENGTH(length=len(path))
            sibling = waiting.pop(0)
            node = join(sibling, node) if at & 1 else join(node, sibling)
        at, width = at >> 1, width + 1 >> 1
    if waiting:
        raise LEAF_PATH_HAS_WRONG_LENGTH(length=len(path))
    if node.hash != root:
        raise LEAF_DOES_NOT_LEAD_TO_ROOT(index=index)
    if mode is Mode.SUM and node.sum != total:
        raise LIABILITIES_DO_NOT_ADD_UP(found=node.sum, said=total)


def _joined(left: Node, right: Node) -> Node:
    """RFC 6962's node. The sum is carried for the builder and is no part of the hash."""
    return Node(sha256(b"\x01" + left.hash + right.hash).digest(), _sum(left, right))


def _summed(left: Node, right: Node) -> Node:
    content = left.hash + u64(left.sum) + right.hash + u64(right.sum)
    return Node(sha256(b"\x01" + content).digest(), _sum(left, right))


def _sum(left: Node, right: Node) -> int:
    found = left.sum + right.sum
    if found > U64_MAX:
        raise LIABILITY_SUM_OVERFLOWS(left=left.sum, right=right.sum)
    return found


JOINS: Final[dict[Mode, Callable[[Node, Node], Node]]] = {Mode.AUDITOR: _joined, Mode.SUM: _summed}


def _text(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(4, "big") + content
