"""Checkpoints, after C2SP tlog-checkpoint: what a log signs about itself.

The text of the note is the log's origin, its size in decimal, its root in base64, and perhaps further lines:

    example.com/book/1
    3
    XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=

>>> from ringfence.evidence.tree import EMPTY, root
>>> print(text_of(Checkpoint("example.com/book/1", 0, root(EMPTY))), end="")
example.com/book/1
0
47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringfence.evidence.note import Signer, Verifier, decode_base64, open_note, sign
from ringfence.evidence.tree import HASH_SIZE
from ringfence.refusal import Fault, refusal

SIZE_MAX: Final = 2**63 - 1

CHECKPOINT_IS_MALFORMED = refusal(
    "checkpoint_is_malformed",
    Fault.INPUT,
    en="A checkpoint is an origin, a decimal size, a root in base64 and perhaps further lines; line {line} is not so.",
    zh="检查点应为来源、十进制大小、base64 树根及可选附加行；第 {line} 行不符。",
)
CHECKPOINT_IS_OF_ANOTHER_LOG = refusal(
    "checkpoint_is_of_another_log",
    Fault.INPUT,
    en="The checkpoint is of the log {found}, not of {wanted}.",
    zh="该检查点属于日志 {found}，而非 {wanted}。",
)

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def text_of(checkpoint: Checkpoint) -> str:
    root = base64.b64encode(checkpoint.root).decode()
    text = "".join(f"{line}\n" for line in (checkpoint.origin, str(checkpoint.size), root, *checkpoint.extensions))
    parse_text(text)
    return text


def parse_text(text: str) -> Checkpoint:
    lines = text.split("\n")
    if lines.pop() != "":
        raise CHECKPOINT_IS_MALFORMED(line=len(lines) + 1)
    for number, line in enumerate(lines, 1):
        if not line:
            raise CHECKPOINT_IS_MALFORMED(line=number)
    if len(lines) < 3:
        raise CHECKPOINT_IS_MALFORMED(line=len(lines) + 1)
    if not _DECIMAL.fullmatch(lines[1]) or int(lines[1]) > SIZE_MAX:
        raise CHECKPOINT_IS_MALFORMED(line=2)
    root = decode_base64(lines[2])
    if root is None or len(root) != HASH_SIZE:
        raise CHECKPOINT_IS_MALFORMED(line=3)
    return Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:]))


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[Signer], at: int = 0) -> bytes:
    return sign(text_of(checkpoint), signers, at)


def open_checkpoint(note: bytes, origin: str, verifiers: Sequence[Verifier]) -> Checkpoint:
    """The checkpoint of a note that one of the keys signed for the log `origin`."""
    checkpoint = parse_text(open_note(note, verifiers).text)
    if checkpoint.origin != origin:
        raise CHECKPOINT_IS_OF_ANOTHER_LOG(found=checkpoint.origin, wanted=origin)
    return checkpoint
