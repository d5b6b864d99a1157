"""The other side: a log's notary asks its witnesses, and keeps what they sign.

    <log>/cosignatures/<size>   the witnesses' lines under the checkpoint of that size; it grows as they answer
    <log>/witnessed             the last checkpoint that enough of them have signed, with their lines

A witness that cannot be reached is asked again; one that refuses, or has seen a tree that this log does not have, is
named at once: either the witness is wrong, or this log has two histories.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx

from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint
from ringfence.evidence.export import kept_cosignatures
from ringfence.evidence.note import Note, Signature, Verifier, parse_note, parse_signatures, write_note
from ringfence.evidence.quorum import Quorum, Witness
from ringfence.evidence.tiles import (
    LOG_FILE_IS_MISSING,
    File,
    Tiles,
    directory_reader,
    read_file,
    replace_file,
)
from ringfence.evidence.tree import prove_tree
from ringfence.evidence.witness.requests import AddCheckpoint, Answer, size_of
from ringfence.refusal import Fault, Refused, refusal

SECONDS_MAX: Final = 5.0
LAG_SECONDS: Final = 60  # a witness that has not signed for so long is named
ANSWER_BYTES_MAX: Final = 100_000

WITNESS_REFUSES = refusal(
    "witness_refuses",
    Fault.STATE,
    en="The witness {witness} would not sign the checkpoint of {size} rows ({status}): {said}",
    zh="见证方 {witness} 拒绝为 {size} 行的检查点签名（{status}）：{said}",
)
WITNESS_HAS_SEEN_ANOTHER_TREE = refusal(
    "witness_has_seen_another_tree",
    Fault.STATE,
    en="The witness {witness} has signed a tree of {seen} rows of this log, which has {size}: the log was restored from"
    " an older copy, or there are two.",
    zh="见证方 {witness} 已为本日志 {seen} 行的树签名，而本日志为 {size} 行：日志恢复自旧副本，或存在两份。",
)
WITNESS_LAGS = refusal(
    "witness_lags",
    Fault.MACHINE,
    en="The witness {witness} has not signed for {seconds} s: {cause}.",
    zh="见证方 {witness} 已 {seconds} 秒未签名：{cause}。",
)
WITNESS_IS_UNREACHABLE = refusal(
    "witness_is_unreachable",
    Fault.MACHINE,
    en="The witness {witness} does not answer at {url}: {cause}.",
    zh="见证方 {witness} 在 {url} 无应答：{cause}。",
)
WITNESS_ANSWERS_NONSENSE = refusal(
    "witness_answers_nonsense",
    Fault.STATE,
    en="The witness {witness} answered, but not with a signature of its key on the checkpoint of {size} rows.",
    zh="见证方 {witness} 的应答并非其密钥对 {size} 行检查点的签名。",
)

Post = Callable[[str, bytes], Answer]
"""Sends a body to an address; `witness_is_unreachable` is for the caller to say: it raises OSError."""


@dataclass
class _Known:
    """Of a witness: the size that it signed last, since when it signs nothing, and what was said of it."""

    size: int = 0
    silent_since: datetime | None = None
    named: str = ""


class Asking:
    """Asks the witnesses of a policy for one log. `findings` of a round are for people: once each, until it is well
    again.
    """

    def __init__(self, log: Path, key: Verifier, quorum: Quorum, post: Post, clock: Callable[[], datetime]) -> None:
        self._log, self._key, self._quorum, self._post, self._clock = log, key, quorum, post, clock
        self._asked = [witness for witness in quorum.witnesses.values() if witness.url]
        self._known = {witness.name: _Known() for witness in self._asked}

    def round(self) -> list[Refused]:
        """Ask every witness that has not signed the last checkpoint for its signature; what is to be said of them."""
        try:
            note = read_file(self._log, "checkpoint")
        except Refused as refused:
            if refused.refusal is LOG_FILE_IS_MISSING:
                return []
            raise
        checkpoint = open_checkpoint(note, self._key.name, [self._key])
        parsed = parse_note(note)
        kept = kept_cosignatures(self._log, checkpoint.size)
        signed = self._quorum.cosigned(Note(parsed.text, kept))
        missing = [witness for witness in self._asked if witness.name not in signed]
        if not missing:
            return []
        with ThreadPoolExecutor(len(missing)) as pool:
            answers = list(pool.map(lambda each: self._ask(each, parsed, checkpoint), missing))
        lines = [answer for answer in answers if isinstance(answer, Signature)]
        if lines:
            self._keep(parsed, checkpoint, (*kept, *lines))
        said = [self._say(each, answer) for each, answer in zip(missing, answers, strict=True)]
        return [each for each in said if each is not None]

    def _keep(self, parsed: Note, checkpoint: Checkpoint, lines: Sequence[Signature]) -> None:
        block = "".join(map(str, lines)).encode()
        replace_file(self._log, File(f"cosignatures/{checkpoint.size}", block))
        whole = write_note(Note(parsed.text, (*parsed.signatures, *lines)))
        if self._quorum.holds(whole):
            replace_file(self._log, File("witnessed", whole))

    def _ask(self, witness: Witness, parsed: Note, checkpoint: Checkpoint) -> Signature | Refused:
        """The witness's line, or why there is none. A witness that says another size is asked again from there."""
        known = self._known[witness.name]
        try:
            for _ in range(2):
                if known.size > checkpoint.size:
                    return WITNESS_HAS_SEEN_ANOTHER_TREE(witness=witness.name, seen=known.size, size=checkpoint.size)
                request = AddCheckpoint(known.size, self._proof(known.size, checkpoint), write_note(parsed))
                answer = self._post(f"{(witness.url or '').rstrip('/')}/add-checkpoint", request.written())
                seen = size_of(answer) if answer.status == 409 else None
                if seen is None or seen == known.size:
                    break
                known.size = seen
            if answer.status == 409 and seen is not None and seen > checkpoint.size:
                return WITNESS_HAS_SEEN_ANOTHER_TREE(witness=witness.name, seen=seen, size=checkpoint.size)
            if answer.status != 200:
                return _refused_by(witness, checkpoint, answer)
            return self._line(witness, parsed, checkpoint, answer)
        except OSError as failed:
            return WITNESS_IS_UNREACHABLE(witness=witness.name, url=witness.url, cause=failed)
        except Refused as refused:
            return refused

    def _line(self, witness: Witness, parsed: Note, checkpoint: Checkpoint, answer: Answer) -> Signature | Refused:
        nonsense = WITNESS_ANSWERS_NONSENSE(witness=witness.name, size=checkpoint.size)
        try:
            lines = parse_signatures(answer.body.decode())
        except (UnicodeDecodeError, Refused):
            return nonsense
        for line in lines:
            own = (line.name, line.key_id) == (witness.key.name, witness.key.key_id)
            if own and witness.key.verifies(parsed.text.encode(), line.signature):
                self._known[witness.name].size = checkpoint.size
                return line
        return nonsense

    def _proof(self, old: int, checkpoint: Checkpoint) -> tuple[bytes, ...]:
        if old in (0, checkpoint.size):
            return ()
        tiles = Tiles(checkpoint.size, checkpoint.root, directory_reader(self._log))
        return tuple(prove_tree(old, checkpoint.size, tiles.hashes))

    def _say(self, witness: Witness, answer: Signature | Refused) -> Refused | None:
        """What is to be said of a witness now: a refusal at once, silence after a while, each once."""
        known, now = self._known[witness.name], self._clock()
        if isinstance(answer, Signature):
            known.silent_since, known.named = None, ""
            return None
        known.silent_since = known.silent_since or now
        silent = int((now - known.silent_since).total_seconds())
        if answer.refusal.fault is Fault.MACHINE:
            if silent < LAG_SECONDS:
                return None
            answer = WITNESS_LAGS(witness=witness.name, seconds=silent, cause=answer.sentence())
        if known.named == answer.name:
            return None
        known.named = answer.name
        return answer


def _refused_by(witness: Witness, checkpoint: Checkpoint, answer: Answer) -> Refused:
    said = answer.body.decode("utf-8", "replace").strip()[:200]
    if answer.status >= 500:
        return WITNESS_IS_UNREACHABLE(witness=witness.name, url=witness.url, cause=f"{answer.status} {said}")
    return WITNESS_REFUSES(witness=witness.name, size=checkpoint.size, status=answer.status, said=said)


def poster(client: httpx.Client) -> Post:
    """`Post` by HTTP: no redirects, no answer longer than an answer is."""

    def post(url: str, body: bytes) -> Answer:
        try:
            with client.stream("POST", url, content=body, timeout=SECONDS_MAX) as response:
                found = bytearray()
                for piece in response.iter_bytes():
                    found += piece
                    if len(found) > ANSWER_BYTES_MAX:
                        raise OSError("the answer does not end")
                return Answer(response.status_code, bytes(found), response.headers.get("Content-Type", ""))
        except (httpx.HTTPError, httpx.InvalidURL) as failed:
            raise OSError(str(failed) or type(failed).__name__) from failed

    return post
