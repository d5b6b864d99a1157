"""The Merkle tree of a log, after RFC 6962 section 2.1 (RFC 9162 keeps its hashes and writes out the verifications).

A *record* is a byte string; a *tree* is an ordered list of records, of which only hashes are kept:

    record hash = SHA-256(0x00 || record)
    node hash   = SHA-256(0x01 || left || right)
    root        = SHA-256() of no records; the record hash of one; of n records the node over the root of the first k
                  and the root of the other n - k, where k is the largest power of two below n

A *complete* subtree holds 2**level records from index * 2**level on; (level, index) is its *coordinate* and its hash
never changes again. A `Tree` is the size and the hashes of the largest complete subtrees from left to right (its
*peaks*): enough to append and to say the root. A *proof* is a list of hashes; whoever makes one reads the hashes of
complete subtrees through a `HashReader`, so that nothing here knows where they are kept.

An example: three records, the proof that the third is in, and the proof that the first two are still there.

>>> tree, grown = append(EMPTY, record_hashes([b"one", b"two", b"three"]))
>>> tree.size, [len(level) for level in grown]
(3, [3, 1])
>>> read = lambda coordinates: [grown[level][index] for level, index in coordinates]
>>> proof = prove_record(2, 3, read)
>>> check_record(proof, 3, root(tree), 2, record_hash(b"three"))
>>> check_record(proof, 3, root(tree), 2, record_hash(b"four"))
Traceback (most recent call last):
    ...
ringfence.refusal.Refused: proof_does_not_lead_to_root: The proof does not lead from the record at index 2 to ...
>>> older, _ = append(EMPTY, record_hashes([b"one", b"two"]))
>>> check_tree(prove_tree(2, 3, read), 2, root(older), 3, root(tree))
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ringfence.refusal import Fault, refusal

HASH_SIZE: Final = 32

INDEX_IS_BEYOND_TREE = refusal(
    "index_is_beyond_tree",
    Fault.UNKNOWN,
    en="There is no record at index {index} in a tree of {size} records.",
    zh="有 {size} 条记录的树中没有第 {index} 号记录。",
)
OLDER_TREE_IS_NOT_SMALLER = refusal(
    "older_tree_is_not_smaller",
    Fault.INPUT,
    en="A tree of {older} records cannot be the beginning of a tree of {newer} records that proves anything.",
    zh="{older} 条记录的树不能作为 {newer} 条记录的树的可证前缀。",
)
HASH_IS_NOT_32_BYTES = refusal(
    "hash_is_not_32_bytes",
    Fault.INPUT,
    en="A SHA-256 hash has 32 bytes; one of {length} was given.",
    zh="SHA-256 哈希为 32 字节，所给为 {length} 字节。",
)
PROOF_HAS_WRONG_LENGTH = refusal(
    "proof_has_wrong_length",
    Fault.INPUT,
    en="The proof has {length} hashes, which is not the number that these sizes ask for.",
    zh="证明含 {length} 个哈希，与所述大小不符。",
)
PROOF_DOES_NOT_LEAD_TO_ROOT = refusal(
    "proof_does_not_lead_to_root",
    Fault.INPUT,
    en="The proof does not lead from the record at index {index} to the root of the tree of {size} records.",
    zh="该证明不能由第 {index} 号记录推出 {size} 条记录的树根。",
)
TREES_ARE_INCONSISTENT = refusal(
    "trees_are_inconsistent",
    Fault.INPUT,
    en="The proof does not show that the tree of {older} records is the beginning of the tree of {newer}.",
    zh="该证明不能表明 {older} 条记录的树是 {newer} 条记录的树的前缀。",
)

Coordinate = tuple[int, int]
"""(level, index) of a complete subtree."""

HashReader = Callable[[Sequence[Coordinate]], Sequence[bytes]]
"""Gives the hashes of complete subtrees, in the order asked for; it refuses rather than guess."""

Proof = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Tree:
    """The number of records and the peaks, largest first: one for each bit that is set in `size`."""

    size: int
    peaks: tuple[bytes, ...]


EMPTY: Final = Tree(0, ())


def record_hash(record: bytes) -> bytes:
    return sha256(b"\x00" + record).digest()


def record_hashes(records: Iterable[bytes]) -> list[bytes]:
    return [sha256(b"\x00" + record).digest() for record in records]


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def node_hashes(row: Sequence[bytes]) -> list[bytes]:
    """The hashes over each pair of an even row."""
    each = iter(row)
    return [sha256(b"\x01" + left + right).digest() for left, right in zip(each, each, strict=True)]


def append(tree: Tree, hashes: Iterable[bytes]) -> tuple[Tree, list[list[bytes]]]:
    """The tree with more records, and for each level the hashes of the subtrees that became complete, in order: those
    of `level` begin at index `tree.size >> level`.
    """
    row = list(hashes)
    size = tree.size + len(row)
    smallest_first = list(reversed(tree.peaks))
    peaks: list[bytes] = []
    grown: list[list[bytes]] = []
    level = 0
    while row:
        grown.append(row)
        if tree.size >> level & 1:
            row = [smallest_first.pop(0), *row]
        if len(row) & 1:
            peaks.append(row[-1])
            row = row[:-1]
        row = node_hashes(row)
        level += 1
    return Tree(size, (*reversed(smallest_first), *reversed(peaks))), grown


def root(tree: Tree) -> bytes:
    return fold(tree.peaks) if tree.peaks else sha256().digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """One hash over subtrees that lie side by side, largest first."""
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


def complete_subtrees(begin: int, end: int) -> Iterator[Coordinate]:
    """The largest complete subtrees that make up the records `begin` to `end`, which must be a range that the
    definition of a root comes upon: `begin` is a multiple of the power of two at or above `end - begin`.
    """
    while begin < end:
        level = (end - begin).bit_length() - 1
        yield level, begin >> level
        begin += 1 << level


def peaks_of(size: int) -> list[Coordinate]:
    return list(complete_subtrees(0, size))


def prove_record(index: int, size: int, read: HashReader) -> list[bytes]:
    """The proof that the record at `index` is in the tree of `size` records (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        raise INDEX_IS_BEYOND_TREE(index=index, size=size)
    siblings: list[tuple[int, int]] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((begin, middle))
            begin = middle
    return _read_ranges(siblings[::-1], read)


def prove_tree(older: int, newer: int, read: HashReader) -> list[bytes]:
    """The proof that the first `older` records of a tree of `newer` are unchanged (RFC 6962 section 2.1.2)."""
    if not 0 < older <= newer:
        raise OLDER_TREE_IS_NOT_SMALLER(older=older, newer=newer)
    siblings: list[tuple[int, int]] = []
    begin, end = 0, newer
    while older != end:
        middle = begin + _split(end - begin)
        if older <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((begin, middle))
            begin = middle
    if begin:
        siblings.append((begin, end))
    return _read_ranges(siblings[::-1], read)


def check_record(proof: Proof, size: int, tree_root: bytes, index: int, leaf: bytes) -> None:
    """Does the record with hash `leaf` stand at `index` in the tree? Refused by name if not (RFC 9162, 2.1.3.2)."""
    _check_hashes([*proof, tree_root, leaf])
    if not 0 <= index < size:
        raise INDEX_IS_BEYOND_TREE(index=index, size=size)
    node, last, folded = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise PROOF_HAS_WRONG_LENGTH(length=len(proof))
        if node & 1 or node == last:
            folded = node_hash(sibling, folded)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            folded = node_hash(folded, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise PROOF_HAS_WRONG_LENGTH(length=len(proof))
    if folded != tree_root:
        raise PROOF_DOES_NOT_LEAD_TO_ROOT(index=index, size=size)


def check_tree(proof: Proof, older: int, older_root: bytes, newer: int, newer_root: bytes) -> None:
    """Is the older tree the beginning of the newer one? Refused by name if not (RFC 9162, 2.1.4.2).

    An older tree of no records is refused: it would be the beginning of anything, so a proof of it proves nothing.
    """
    _check_hashes([*proof, older_root, newer_root])
    if not 0 < older <= newer:
        raise OLDER_TREE_IS_NOT_SMALLER(older=older, newer=newer)
    if older == newer:
        if proof:
            raise PROOF_HAS_WRONG_LENGTH(length=len(proof))
        if older_root != newer_root:
            raise TREES_ARE_INCONSISTENT(older=older, newer=newer)
        return
    path = list(proof) if older & (older - 1) else [older_root, *proof]
    if not proof:
        raise PROOF_HAS_WRONG_LENGTH(length=0)
    node, last = older - 1, newer - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    folded_older = folded_newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise PROOF_HAS_WRONG_LENGTH(length=len(proof))
        if node & 1 or node == last:
            folded_older = node_hash(sibling, folded_older)
            folded_newer = node_hash(sibling, folded_newer)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            folded_newer = node_hash(folded_newer, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise PROOF_HAS_WRONG_LENGTH(length=len(proof))
    if folded_older != older_root or folded_newer != newer_root:
        raise TREES_ARE_INCONSISTENT(older=older, newer=newer)


def _split(count: int) -> int:
    """The largest power of two below `count`, which is 2 or more."""
    return 1 << (count - 1).bit_length() - 1


def _read_ranges(ranges: Sequence[tuple[int, int]], read: HashReader) -> list[bytes]:
    """One hash for each range of records, with a single call of the reader."""
    wanted = [list(complete_subtrees(begin, end)) for begin, end in ranges]
    hashes = iter(read([coordinate for subtrees in wanted for coordinate in subtrees]))
    return [fold([next(hashes) for _ in subtrees]) for subtrees in wanted]


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for each in hashes:
        if len(each) != HASH_SIZE:
            raise HASH_IS_NOT_32_BYTES(length=len(each))
