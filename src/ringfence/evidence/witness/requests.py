r"""What a witness is asked and what it answers, after C2SP tlog-witness v1.0.0.

    POST <prefix>/add-checkpoint

    old 20852014
    PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
    …

    example.com/behind-the-sofa
    20852163
    …

The size of the tree that was signed last, the proof that it is the beginning of the new one, an empty line, the note.
Answers: 200 and the cosignatures; 409 and the size that the witness has signed last; any other is a sentence.

>>> request = AddCheckpoint(2, (bytes(32),), b"a note\n")
>>> request.written()
b'old 2\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\na note\n'
>>> parse_request(request.written()) == request
True
"""

import re
from dataclasses import dataclass
from typing import Final

from ringfence.evidence.checkpoint import SIZE_MAX
from ringfence.evidence.note import NOTE_BYTES_MAX, decode_base64, encode_base64
from ringfence.evidence.tree import HASH_SIZE
from ringfence.refusal import Fault, refusal

PROOF_LINES_MAX: Final = 63
REQUEST_BYTES_MAX: Final = NOTE_BYTES_MAX + 8_192
SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"

REQUEST_TO_WITNESS_IS_MALFORMED = refusal(
    "request_to_witness_is_malformed",
    Fault.INPUT,
    en="A witness is asked with an old size, up to 63 hashes, an empty line and a note; line {line} is not so.",
    zh="向见证方的请求应为旧大小、至多 63 行证明哈希、空行及签名笺；第 {line} 行不符。",
)

_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_SIZE: Final = re.compile(rb"(0|[1-9][0-9]{0,18})\n")


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """A request: the size signed last, the proof of consistency, the note as it was sent."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def written(self) -> bytes:
        lines = [f"old {self.old}", *map(encode_base64, self.proof), "", ""]
        return "\n".join(lines).encode() + self.note


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: the status, what it says, and of which type that is."""

    status: int
    body: bytes
    type: str = TEXT_TYPE


def parse_request(body: bytes) -> AddCheckpoint:
    """A request from its bytes; `request_to_witness_is_malformed`."""
    head, separator, note = body.partition(b"\n\n")
    lines = head.decode("utf-8", "replace").split("\n")
    old = _OLD.fullmatch(lines[0])
    if len(body) > REQUEST_BYTES_MAX or old is None or int(old[1]) > SIZE_MAX:
        raise REQUEST_TO_WITNESS_IS_MALFORMED(line=1)
    if len(lines) - 1 > PROOF_LINES_MAX:
        raise REQUEST_TO_WITNESS_IS_MALFORMED(line=PROOF_LINES_MAX + 2)
    proof = []
    for number, line in enumerate(lines[1:], 2):
        hash_ = decode_base64(line)
        if hash_ is None or len(hash_) != HASH_SIZE:
            raise REQUEST_TO_WITNESS_IS_MALFORMED(line=number)
        proof.append(hash_)
    if not separator or not note:
        raise REQUEST_TO_WITNESS_IS_MALFORMED(line=len(lines) + 1)
    return AddCheckpoint(int(old[1]), tuple(proof), note)


def conflict(size: int) -> Answer:
    """409: the size that was signed last is another."""
    return Answer(409, f"{size}\n".encode(), SIZE_TYPE)


def size_of(answer: Answer) -> int | None:
    """The size that a 409 says; None if it does not say one."""
    found = _SIZE.fullmatch(answer.body)
    return int(found[1]) if found and int(found[1]) <= SIZE_MAX else None
