r"""Signed notes, after C2SP signed-note: text, an empty line, and one line for each signature.

    — <key name> <base64 of a 4-byte key id and the signature>

A *key* is known by its name and its id; the id is the first four bytes of SHA-256(name, newline, algorithm byte,
public key). A *verifier key* is handed round as one line of text, `name+id+base64(algorithm byte, public key)`, and a
signer's private key as `PRIVATE+KEY+name+id+base64(algorithm byte, seed)`. The algorithm here is Ed25519 (byte 0x01);
witnesses sign otherwise (`cosignature`), and their keys open a note just as well.

One note has one spelling. Base64 must be canonical (no loose bits, no line breaks), nothing may follow the last
signature, and a key may sign once; what the specification leaves open here is refused, because whoever compares two
copies of a note compares bytes. Signatures of unknown keys are kept and believed by nobody; a signature of a known key
that does not verify spoils the note.

>>> signer = Signer.from_seed("example.com/book", bytes(32))
>>> note = sign("opening balance\n", [signer])
>>> opened = open_note(note, [signer.verifier])
>>> opened.text, [signature.name for signature in opened.verified]
('opening balance\n', ['example.com/book'])
"""

import base64
import binascii
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ringfence.refusal import Fault, refusal

ED25519: Final = 1
NOTE_BYTES_MAX: Final = 1_000_000
SIGNATURES_MAX: Final = 100

NOTE_IS_TOO_LONG = refusal(
    "note_is_too_long",
    Fault.INPUT,
    en="The note has {length} bytes and {signatures} signatures; at most 1,000,000 and 100 are read.",
    zh="签名笺有 {length} 字节、{signatures} 个签名；最多读取 1,000,000 字节、100 个签名。",
)
NOTE_IS_NOT_PLAIN_TEXT = refusal(
    "note_is_not_plain_text",
    Fault.INPUT,
    en="A signed note is UTF-8 text without control characters, ending in a newline; not so from byte {offset}.",
    zh="签名笺须为 UTF-8 文本，不含控制字符，并以换行结尾；自第 {offset} 字节起不符。",
)
NOTE_HAS_NO_SIGNATURES = refusal(
    "note_has_no_signatures",
    Fault.INPUT,
    en="A signed note ends with an empty line and at least one signature line; these {length} bytes do not.",
    zh="签名笺末尾须有空行及至少一行签名；这 {length} 字节没有。",
)
SIGNATURE_LINE_IS_MALFORMED = refusal(
    "signature_line_is_malformed",
    Fault.INPUT,
    en="Signature line {line} is not of the form “— name base64” in its one canonical spelling.",
    zh="第 {line} 行签名不是规范的“— 名称 base64”形式。",
)
KEY_SIGNED_TWICE = refusal(
    "key_signed_twice",
    Fault.INPUT,
    en="The key {name} signed the note more than once.",
    zh="密钥 {name} 对同一笺签名多次。",
)
KEY_NAME_IS_MALFORMED = refusal(
    "key_name_is_malformed",
    Fault.INPUT,
    en="{name!r} is not a key's name: it may not be empty nor contain spaces, control characters or a plus sign.",
    zh="{name!r} 不能作密钥名称：不得为空，不得含空白、控制字符或加号。",
)
KEY_IS_MALFORMED = refusal(
    "key_is_malformed",
    Fault.INPUT,
    en="The {which} key is not of the form “name+id+base64” in its one canonical spelling.",
    zh="密钥（{which}）不是规范的“名称+编号+base64”形式。",
)
KEY_ALGORITHM_IS_UNKNOWN = refusal(
    "key_algorithm_is_unknown",
    Fault.INPUT,
    en="The key of {name} has algorithm {algorithm}; this version knows Ed25519 (1) alone.",
    zh="{name} 的密钥算法为 {algorithm}；本版本只支持 Ed25519（1）。",
)
KEY_ALGORITHM_IS_NOT_A_COSIGNERS = refusal(
    "key_algorithm_is_not_a_cosigners",
    Fault.INPUT,
    en="The key of {name} has algorithm {algorithm}; a witness signs with Ed25519 (4) or ML-DSA-44 (6).",
    zh="{name} 的密钥算法为 {algorithm}；见证方使用 Ed25519（4）或 ML-DSA-44（6）签名。",
)
KEY_ID_DOES_NOT_FIT = refusal(
    "key_id_does_not_fit",
    Fault.INPUT,
    en="The id {given} does not belong to the key of {name}, which has {computed}.",
    zh="编号 {given} 不属于 {name} 的密钥，其编号应为 {computed}。",
)
NOTE_IS_NOT_SIGNED_BY_KNOWN_KEY = refusal(
    "note_is_not_signed_by_known_key",
    Fault.PERMISSION,
    en="None of the signatures is of a key that was asked for ({names}).",
    zh="没有所要求密钥（{names}）的签名。",
)
SIGNATURE_DOES_NOT_VERIFY = refusal(
    "signature_does_not_verify",
    Fault.PERMISSION,
    en="The signature of {name} was not made with its key over this text.",
    zh="{name} 的签名并非由其密钥对此文本所作。",
)

_SIGNATURE_LINE: Final = re.compile(r"— ([^ ]+) ([A-Za-z0-9+/=]+)")
_CONTROL: Final = re.compile(rb"[\x00-\x09\x0b-\x1f]")
_KEY_ID: Final = re.compile(r"[0-9a-f]{8}")
_PRIVATE: Final = "PRIVATE+KEY+"


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it is written; nothing in it has been verified."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """A note that at least one known key signed."""

    text: str
    verified: tuple[Signature, ...]
    unknown: tuple[Signature, ...]


class Key(Protocol):
    """What opens a note: a name, an id, and the word whether a signature over a text is its own."""

    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> bytes: ...

    def verifies(self, message: bytes, signature: bytes) -> bool: ...


class Second(Protocol):
    """A further private key of a signer, which signs checkpoints in a way of its own (`cosignature`)."""

    @property
    def key(self) -> Key: ...

    def cosign(self, text: str, at: int) -> Signature: ...

    def private_line(self) -> str: ...

    def under(self, name: str) -> "Second":
        """The same key under another name."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key and its name; and further keys of the same signer, without whose signatures it opens nothing."""

    name: str
    public: bytes  # 32 bytes, RFC 8032
    also: tuple[Key, ...] = ()

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, ED25519, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([ED25519]) + self.public)}"

    def verifies(self, message: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):  # ValueError: the 32 bytes are no point of the curve
            return False
        return True


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key and its name."""

    name: str
    private: Ed25519PrivateKey
    also: tuple[Second, ...] = ()

    @classmethod
    def from_seed(cls, name: str, seed: bytes) -> "Signer":
        check_name(name)
        return cls(name, Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.private.public_key().public_bytes_raw(), tuple(each.key for each in self.also))

    def private_line(self) -> str:
        """The private key as text, without a newline; it belongs into a file that nobody else reads."""
        return private_line(self.name, self.verifier.key_id, ED25519, self.private.private_bytes_raw())


def private_line(name: str, identity: bytes, algorithm: int, seed: bytes) -> str:
    """A private key as text, without a newline."""
    return f"{_PRIVATE}{name}+{identity.hex()}+{encode_base64(bytes([algorithm]) + seed)}"


def key_id(name: str, algorithm: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:4]


def parse_verifier(line: str) -> Verifier:
    """The public key of a verifier key's line."""
    name, algorithm, public = parse_key(line)
    if algorithm != ED25519:
        raise KEY_ALGORITHM_IS_UNKNOWN(name=name, algorithm=algorithm)
    if len(public) != 32:
        raise KEY_IS_MALFORMED(which="public")
    return Verifier(name, public)


def parse_key(line: str) -> tuple[str, int, bytes]:
    """Name, algorithm and public key of a verifier key's line, whatever the algorithm."""
    name, given, algorithm, public = _parse_key(line, "public")
    if key_id(name, algorithm, public) != given:
        raise KEY_ID_DOES_NOT_FIT(name=name, given=given.hex(), computed=key_id(name, algorithm, public).hex())
    return name, algorithm, public


def parse_signer(line: str) -> Signer:
    """The private key of a signer's line."""
    name, given, algorithm, seed = parse_private_key(line)
    if algorithm != ED25519:
        raise KEY_ALGORITHM_IS_UNKNOWN(name=name, algorithm=algorithm)
    if len(seed) != 32:
        raise KEY_IS_MALFORMED(which="private")
    signer = Signer.from_seed(name, seed)
    if signer.verifier.key_id != given:
        raise KEY_ID_DOES_NOT_FIT(name=name, given=given.hex(), computed=signer.verifier.key_id.hex())
    return signer


def parse_private_key(line: str) -> tuple[str, bytes, int, bytes]:
    """Name, id, algorithm and seed of a private key's line, whatever the algorithm. Whether the id fits is for whoever
    knows the algorithm.
    """
    if not line.startswith(_PRIVATE):
        raise KEY_IS_MALFORMED(which="private")
    return _parse_key(line.removeprefix(_PRIVATE), "private")


def sign(text: str, signers: Sequence[Signer], at: int = 0) -> bytes:
    """The note of a text, which must end in a newline. `at`, in seconds since 1970, is what further keys say of the
    time; 0: nothing.
    """
    signed = [Signature(each.name, each.verifier.key_id, each.private.sign(text.encode())) for each in signers]
    signed += [second.cosign(text, at) for each in signers for second in each.also]
    return write_note(Note(text, tuple(signed)))


def write_note(note: Note) -> bytes:
    """The bytes of a note, in the spelling that `parse_note` reads."""
    written = f"{note.text}\n{''.join(map(str, note.signatures))}".encode()
    parse_note(written)
    return written


def parse_note(note: bytes) -> Note:
    """Text and signatures of a note, verified by nobody; refused unless it is in its one canonical spelling."""
    if len(note) > NOTE_BYTES_MAX:
        raise NOTE_IS_TOO_LONG(length=len(note), signatures=note.count("\n— ".encode()))
    try:
        whole = note.decode()
    except UnicodeDecodeError as malformed:
        raise NOTE_IS_NOT_PLAIN_TEXT(offset=malformed.start) from None
    if control := _CONTROL.search(note):
        raise NOTE_IS_NOT_PLAIN_TEXT(offset=control.start())
    if not whole.endswith("\n"):
        raise NOTE_IS_NOT_PLAIN_TEXT(offset=len(note))
    text, separator, block = whole.rpartition("\n\n")
    if not separator or not block:
        raise NOTE_HAS_NO_SIGNATURES(length=len(note))
    if block.count("\n") > SIGNATURES_MAX:
        raise NOTE_IS_TOO_LONG(length=len(note), signatures=block.count("\n"))
    signatures = parse_signatures(block)
    seen: set[tuple[str, bytes]] = set()
    for signature in signatures:
        if (signature.name, signature.key_id) in seen:
            raise KEY_SIGNED_TWICE(name=signature.name)
        seen.add((signature.name, signature.key_id))
    return Note(text + "\n", signatures)


def parse_signatures(block: str) -> tuple[Signature, ...]:
    """Signature lines as they stand in a note, or alone."""
    lines = block.split("\n")
    if lines.pop() != "":
        raise SIGNATURE_LINE_IS_MALFORMED(line=len(lines) + 1)
    return tuple(_parse_signature(number, line) for number, line in enumerate(lines, 1))


def open_note(note: bytes, verifiers: Sequence[Key]) -> Opened:
    """The text of a note that at least one of the keys signed, and whose signature verifies."""
    parsed = parse_note(note)
    keys = [*verifiers, *(second for verifier in verifiers for second in getattr(verifier, "also", ()))]
    known = {(key.name, key.key_id): key for key in keys}
    verified: list[Signature] = []
    unknown: list[Signature] = []
    for signature in parsed.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is None:
            unknown.append(signature)
        elif verifier.verifies(parsed.text.encode(), signature.signature):
            verified.append(signature)
        else:
            raise SIGNATURE_DOES_NOT_VERIFY(name=signature.name)
    signed = {(signature.name, signature.key_id) for signature in verified}
    if not any(_opens(verifier, signed) for verifier in verifiers):
        raise NOTE_IS_NOT_SIGNED_BY_KNOWN_KEY(names=", ".join(verifier.name for verifier in verifiers))
    return Opened(parsed.text, tuple(verified), tuple(unknown))


def _opens(verifier: Key, signed: Collection[tuple[str, bytes]]) -> bool:
    """Whether a key and all that belong to it have signed."""
    return all((key.name, key.key_id) in signed for key in (verifier, *getattr(verifier, "also", ())))


def decode_base64(text: str) -> bytes | None:
    """The bytes of canonical standard base64 (RFC 4648 section 4), or None for any other text."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if encode_base64(decoded) == text else None


def encode_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _parse_signature(number: int, line: str) -> Signature:
    fields = _SIGNATURE_LINE.fullmatch(line)
    decoded = decode_base64(fields[2]) if fields else None
    if fields is None or decoded is None or len(decoded) < 5 or not _is_name(fields[1]):
        raise SIGNATURE_LINE_IS_MALFORMED(line=number)
    return Signature(fields[1], decoded[:4], decoded[4:])


def _parse_key(line: str, which: str) -> tuple[str, bytes, int, bytes]:
    """Name, id, algorithm and key bytes. The base64 of a key may itself hold plus signs, so the line splits twice."""
    parts = line.split("+", 2)
    decoded = decode_base64(parts[2]) if len(parts) == 3 else None
    if decoded is None or len(decoded) < 2 or not _KEY_ID.fullmatch(parts[1]):
        raise KEY_IS_MALFORMED(which=which)
    check_name(parts[0])
    return parts[0], bytes.fromhex(parts[1]), decoded[0], decoded[1:]


def _is_name(name: str) -> bool:
    return bool(name) and not any(character.isspace() or character < " " or character == "+" for character in name)


def check_name(name: str) -> None:
    if not _is_name(name):
        raise KEY_NAME_IS_MALFORMED(name=name)
