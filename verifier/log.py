"""The log: hashes and tiles (RFC 6962, C2SP tlog-tiles), signed notes and checkpoints (C2SP), and proofs.

record hash = SHA-256(0x00 || record), node hash = SHA-256(0x01 || left || right).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from words import Wrong

WIDTH: Final = 256
ENTRIES: Final = -1
ED25519, COSIGNED_ED25519, ML_DSA_44 = 1, 4, 6
COSIGNERS: Final = (COSIGNED_ED25519, ML_DSA_44)
_PUBLIC: Final = {ED25519: 32, COSIGNED_ED25519: 32, ML_DSA_44: 1_312}
_KEY: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")
_SIGNATURE: Final = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+=*)")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def record_hash(record: bytes) -> bytes:
    return sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def spell(content: bytes) -> str:
    return base64.b64encode(content).decode()


def unspell(text: str) -> bytes | None:
    """The bytes of canonical base64, or None."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return content if spell(content) == text else None


# Tiles


@dataclass(frozen=True)
class Tile:
    """`width` hashes of complete subtrees of 256**level entries; level ENTRIES: the entries themselves."""

    level: int
    index: int
    width: int

    @property
    def path(self) -> str:
        groups = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        level = "entries" if self.level < 0 else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"


def tiles_of(size: int, level: int) -> Iterator[Tile]:
    """The tiles of one level in a log of `size` entries."""
    count = size >> 8 * max(level, 0)
    for index in range((count + WIDTH - 1) // WIDTH):
        yield Tile(level, index, min(WIDTH, count - index * WIDTH))


def entries_of(tile: Tile, content: bytes) -> list[bytes]:
    """The entries of a bundle: each after its length in two bytes."""
    entries: list[bytes] = []
    at = 0
    while at < len(content):
        end = at + 2 + int.from_bytes(content[at : at + 2], "big")
        entries.append(content[at + 2 : end])
        at = end
    if at != len(content) or len(entries) != tile.width:
        raise Wrong("bundle_is_malformed", path=tile.path, width=tile.width)
    return entries


def compare_tile(tile: Tile, content: bytes, hashes: Sequence[bytes]) -> None:
    """Does the tile's file hold these hashes? On level 0 a difference is one between an entry and its hash."""
    for at, each in enumerate(hashes):
        if content[at * 32 : at * 32 + 32] != each:
            if tile.level == 0:
                entries = Tile(ENTRIES, tile.index, tile.width)
                sequence = tile.index * WIDTH + at
                raise Wrong("entry_differs_from_tile", sequence=sequence, path=entries.path, tile=tile.path)
            raise Wrong("tile_is_another", path=tile.path, index=at)
    if len(content) != 32 * len(hashes):
        raise Wrong("tile_is_another", path=tile.path, index=len(hashes))


class Tree:
    """The tree over record hashes: `rows[level]` holds the hashes of all complete subtrees of 256**level entries."""

    def __init__(self) -> None:
        self.rows: list[list[bytes]] = [[]]

    @property
    def size(self) -> int:
        return len(self.rows[0])

    def add(self, hashes: Sequence[bytes]) -> None:
        self.rows[0] += hashes
        for level, row in enumerate(self.rows):
            done = len(self.rows[level + 1]) if level + 1 < len(self.rows) else 0
            full = [_up(row[at : at + WIDTH])[0] for at in range(done * WIDTH, len(row) // WIDTH * WIDTH, WIDTH)]
            if not full:
                break
            if level + 1 == len(self.rows):
                self.rows.append([])
            self.rows[level + 1] += full

    def tile(self, tile: Tile) -> list[bytes]:
        return self.rows[tile.level][tile.index * WIDTH : tile.index * WIDTH + tile.width]

    def root(self, size: int) -> bytes:
        """The root of the first `size` entries."""
        carried: list[bytes] = []
        for level, row in enumerate(self.rows):
            end = size >> 8 * level
            carried = _up([*row[end // WIDTH * WIDTH : end], *carried])
        return carried[0] if carried else sha256().digest()


def _up(row: list[bytes]) -> list[bytes]:
    """Eight levels up, or as far as one hash; a hash without a neighbour goes up as it is."""
    while len(row) > 1:
        paired = [node_hash(left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
        row = [*paired, row[-1]] if len(row) & 1 else paired
    return row


def check_inclusion(path: Sequence[bytes], size: int, root: bytes, index: int, leaf: bytes, place: str) -> None:
    """RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size or any(len(each) != 32 for each in path):
        raise Wrong("proof_has_wrong_length", path=place)
    node, last, folded = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Wrong("proof_has_wrong_length", path=place)
        if node & 1 or node == last:
            folded = node_hash(sibling, folded)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            folded = node_hash(folded, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise Wrong("proof_has_wrong_length", path=place)
    if folded != root:
        raise Wrong("proof_leads_elsewhere", path=place)


# Signed notes and checkpoints


@dataclass(frozen=True)
class Key:
    """A public key and its name, as handed round in one line. Ed25519 signs a note's text; the algorithms of cosigners
    sign a checkpoint at a time (C2SP tlog-cosignature). A notary may have a `second` one, which must have signed too.
    """

    name: str
    key_id: bytes
    algorithm: int
    public: bytes
    second: "Key | None" = None

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{spell(bytes([self.algorithm]) + self.public)}"

    def verifies(self, text: str, signature: bytes) -> bool:
        at, signed = signature[:8], signature[8:]
        try:
            if self.algorithm == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
            elif self.algorithm == COSIGNED_ED25519:
                said = f"cosignature/v1\ntime {int.from_bytes(at, 'big')}\n{text}".encode()
                Ed25519PublicKey.from_public_bytes(self.public).verify(signed, said)
            else:
                MLDSA44PublicKey.from_public_bytes(self.public).verify(signed, self._subtree(text, at))
        except (InvalidSignature, ValueError):
            return False
        return True

    def _subtree(self, text: str, at: bytes) -> bytes:
        checkpoint = _parse_checkpoint(text, "checkpoint")
        name, origin = self.name.encode(), checkpoint.origin.encode()
        head = b"subtree/v1\n\x00" + bytes([len(name)]) + name + at + bytes([len(origin)]) + origin
        return head + bytes(8) + checkpoint.size.to_bytes(8, "big") + checkpoint.root


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


def parse_key(line: str, place: str, *algorithms: int) -> Key:
    """A key of one of the algorithms, in its one spelling."""
    fields = _KEY.fullmatch(line)
    content = unspell(fields[3]) if fields else None
    if fields is None or not content or content[0] not in algorithms or _PUBLIC[content[0]] != len(content) - 1:
        raise Wrong("key_is_malformed", path=place)
    key_id = sha256(fields[1].encode() + b"\n" + content).digest()[:4]
    if key_id.hex() != fields[2] or len(fields[1].encode()) > 255:
        raise Wrong("key_is_malformed", path=place)
    return Key(fields[1], key_id, content[0], content[1:])


def parse_keys(text: str, place: str) -> Key:
    """A notary's key, and below it perhaps the second of the same name."""
    first, *further = text.split("\n")
    key = parse_key(first, place, ED25519)
    if not further:
        return key
    second = parse_key(further[0], place, ML_DSA_44)
    if len(further) > 1 or second.name != key.name:
        raise Wrong("key_is_malformed", path=place)
    return replace(key, second=second)


def open_checkpoint(note: bytes, key: Key, place: str) -> Checkpoint:
    """The checkpoint of a note, which the key must have signed, and its second. Signatures of keys that are not asked
    for count for nothing, but must be well-formed.
    """
    text, signatures = parse_note(note, place)
    for each in (key, key.second):
        if each is not None:
            _check_signed(text, signatures, each, place)
    return _parse_checkpoint(text, place)


def _check_signed(text: str, signatures: list[tuple[str, bytes, bytes]], key: Key, place: str) -> None:
    ours = [signature for name, key_id, signature in signatures if (name, key_id) == (key.name, key.key_id)]
    if not ours:
        raise Wrong("note_is_not_signed", path=place, key=key.name)
    if len(ours) > 1 or not key.verifies(text, ours[0]):
        raise Wrong("note_is_forged", path=place, key=key.name)


def parse_note(note: bytes, place: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    try:
        whole = note.decode()
    except UnicodeDecodeError as malformed:
        raise Wrong("note_is_malformed", path=place, line=note.count(b"\n", 0, malformed.start) + 1) from None
    for at, letter in enumerate(whole):
        if letter < " " and letter != "\n":
            raise Wrong("note_is_malformed", path=place, line=whole.count("\n", 0, at) + 1)
    text, separator, block = whole.rpartition("\n\n")
    lines = block.split("\n")
    if not separator or len(lines) < 2 or lines.pop() != "":
        raise Wrong("note_is_malformed", path=place, line=whole.count("\n") + 1)
    signatures: list[tuple[str, bytes, bytes]] = []
    for number, line in enumerate(lines, text.count("\n") + 3):
        fields = _SIGNATURE.fullmatch(line)
        content = unspell(fields[2]) if fields else None
        if fields is None or content is None or len(content) < 5:
            raise Wrong("note_is_malformed", path=place, line=number)
        signatures.append((fields[1], content[:4], content[4:]))
    return f"{text}\n", signatures


def _parse_checkpoint(text: str, place: str) -> Checkpoint:
    lines = text.split("\n")[:-1]
    root = unspell(lines[2]) if len(lines) > 2 else None
    for number, right in enumerate(
        (bool(lines[0]), len(lines) > 1 and _SIZE.fullmatch(lines[1]), root is not None and len(root) == 32), 1
    ):
        if not right:
            raise Wrong("checkpoint_is_malformed", path=place, line=number)
    if "" in lines:
        raise Wrong("checkpoint_is_malformed", path=place, line=lines.index("") + 1)
    return Checkpoint(lines[0], int(lines[1]), root or b"")
