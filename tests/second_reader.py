"""A second reader of tiled logs, written from C2SP's texts and RFC 6962 alone. It imports nothing of ours.

tlog-tiles, tlog-checkpoint, signed-note and tlog-cosignature (c2sp.org); numbers in docstrings are sections of RFC
6962. It fetches what it reads over HTTP, believes a checkpoint by the keys that it was given, and the rest by hashes.
"""

import base64
import gzip
import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey


class LogError(Exception):
    """What is wrong, in a sentence."""


# signed-note


@dataclass(frozen=True)
class Key:
    name: str
    identity: bytes
    kind: int
    public: bytes


def read_key(vkey):
    """<name>+<hex key ID>+base64(<signature type> || <public key>)"""
    name, identity, material = vkey.split("+", 2)
    blob = base64.b64decode(material, validate=True)
    expected = hashlib.sha256(name.encode() + b"\n" + blob).digest()[:4]
    if bytes.fromhex(identity) != expected:
        raise LogError("the key's ID is not its hash")
    return Key(name, expected, blob[0], blob[1:])


def read_note(note):
    """The text, with its last newline, and the signatures as (name, key ID, bytes)."""
    text, blank, signatures = note.decode("utf-8").rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise LogError("it is not a note")
    found = []
    for line in signatures[:-1].split("\n"):
        if not line.startswith("\N{EM DASH} "):
            raise LogError("a signature line begins with an em dash")
        name, _, encoded = line[2:].partition(" ")
        blob = base64.b64decode(encoded, validate=True)
        found.append((name, blob[:4], blob[4:]))
    return text + "\n", found


def signed_message(key, text, timestamp):
    """What a signature of this kind is over: the note's text, or what tlog-cosignature makes of it."""
    if key.kind == 1:
        return text.encode()
    if key.kind == 4:
        return f"cosignature/v1\ntime {timestamp}\n{text}".encode()
    origin, size, root = text.split("\n")[:3]
    name, origin = key.name.encode(), origin.encode()
    return b"".join((
        b"subtree/v1\n\x00",
        len(name).to_bytes(1, "big"), name,
        timestamp.to_bytes(8, "big"),
        len(origin).to_bytes(1, "big"), origin,
        (0).to_bytes(8, "big"), int(size).to_bytes(8, "big"),
        base64.b64decode(root, validate=True),
    ))  # fmt: skip


def verify_note(note, keys):
    """The text of a note that every one of these keys has signed; signatures of other keys are ignored."""
    text, signatures = read_note(note)
    for key in keys:
        of_key = [blob for name, identity, blob in signatures if (name, identity) == (key.name, key.identity)]
        if not of_key:
            raise LogError(f"{key.name} has not signed")
        for blob in of_key:
            timestamp, signature = (0, blob) if key.kind == 1 else (int.from_bytes(blob[:8], "big"), blob[8:])
            message = signed_message(key, text, timestamp)
            try:
                if key.kind in (1, 4):
                    Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
                elif key.kind == 6:
                    MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
                else:
                    raise LogError(f"no signature of type {key.kind} is known")
            except InvalidSignature:
                raise LogError(f"the signature of {key.name} does not verify") from None
    return text


# tlog-checkpoint


@dataclass(frozen=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes


def read_checkpoint(text):
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < 3 or not all(lines):
        raise LogError("a checkpoint has three lines and no empty one")
    if not lines[1].isascii() or str(int(lines[1])) != lines[1]:
        raise LogError("the size has leading zeros")
    return Checkpoint(lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True))


# RFC 6962


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(count):
    """The largest power of two smaller than count (2.1)."""
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def tree_hash(leaves):
    """MTH (2.1), of leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


# tlog-tiles


def tile_path(level, index, width):
    groups = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        groups = f"x{index % 1000:03d}/{groups}"
    return f"tile/{level}/{groups}" + (f".p/{width}" if width < 256 else "")


class LogReader:
    """The log below an address, by its keys."""

    def __init__(self, prefix, vkeys):
        self.prefix = prefix
        self.keys = [read_key(vkey) for vkey in vkeys]
        self.fetched = {}

    def fetch(self, path):
        asked = urllib.request.Request(f"{self.prefix}/{path}", headers={"Accept-Encoding": "gzip, identity"})
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                body = answer.read()
                if answer.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                self.fetched[path] = answer.headers
                return body
        except urllib.error.HTTPError as error:
            raise LogError(f"{path}: {error.code}") from None

    def checkpoint(self, path="checkpoint"):
        found = read_checkpoint(verify_note(self.fetch(path), self.keys))
        if found.origin != self.keys[0].name:
            raise LogError("it is another log's checkpoint")
        return found

    def tile(self, level, index, width):
        """A partial tile may be gone once the full one is there, and then is its beginning."""
        try:
            return self.fetch(tile_path(level, index, width))
        except LogError:
            if width == 256:
                raise
            return self.fetch(tile_path(level, index, 256))

    def hashes(self, level, size):
        """All hashes of a level's tiles in a tree of this size."""
        count = size // 256**level
        hashes = []
        for index in range(-(-count // 256)):
            width = min(256, count - index * 256)
            content = self.tile(level, index, width)
            if len(content) % 32 or len(content) < 32 * width:
                raise LogError(f"{tile_path(level, index, width)} is not {width} hashes")
            hashes += [content[at : at + 32] for at in range(0, 32 * width, 32)]
        return hashes

    def entries(self, size):
        found = []
        for index in range(-(-size // 256)):
            width = min(256, size - index * 256)
            content, at, bundle = self.tile("entries", index, width), 0, []
            while at < len(content):
                length = int.from_bytes(content[at : at + 2], "big")
                bundle.append(content[at + 2 : at + 2 + length])
                at += 2 + length
            if at != len(content) or len(bundle) < width:
                raise LogError(f"{tile_path('entries', index, width)} is not {width} entries")
            found += bundle[:width]
        return found

    def read(self, checkpoint):
        """All entries under a checkpoint: each hashes to level 0, each level to the one above it, all to the root."""
        leaves = self.hashes(0, checkpoint.size)
        if tree_hash(leaves) != checkpoint.root:
            raise LogError("level 0 does not hash to the root")
        level, below = 1, leaves
        while checkpoint.size // 256**level:
            hashes = self.hashes(level, checkpoint.size)
            full = [tree_hash(below[at : at + 256]) for at in range(0, len(below) // 256 * 256, 256)]
            if hashes != full:
                raise LogError(f"level {level} is not made of level {level - 1}")
            level, below = level + 1, hashes
        entries = self.entries(checkpoint.size)
        for index, entry in enumerate(entries):
            if leaf_hash(entry) != leaves[index]:
                raise LogError(f"entry {index} is not the one that was hashed")
        return entries

    def begins_with(self, newer, older):
        """Whether the older tree is the beginning of the newer one (2.1.2), from the leaves themselves."""
        return tree_hash(self.hashes(0, newer.size)[: older.size]) == older.root
