"""The rules of a witness, in the order that C2SP tlog-witness declares:

    request     it is one (400)
    origin      the log is one that this witness watches (404)
    signature   one of the keys that it trusts for the log has signed (403)
    size        the old size is not above the new one (400)
    last        the old size is what was signed last, and the same size has the same root (409, with that size); a log
                that was never signed had no rows, whose root is known
    proof       the old tree is the beginning of the new one (422)
    time        the clock is not behind what was signed last (503)
    keep        the note with the new cosignatures is durable
    answer      the cosignatures (200)

From `last` to `keep` one request at a time.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final

from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint, parse_text
from ringfence.evidence.cosignature import Cosigner, time_of
from ringfence.evidence.note import (
    NOTE_IS_NOT_SIGNED_BY_KNOWN_KEY,
    SIGNATURE_DOES_NOT_VERIFY,
    SIGNATURE_LINE_IS_MALFORMED,
    Note,
    Signature,
    Verifier,
    open_note,
    parse_note,
    write_note,
)
from ringfence.evidence.tree import EMPTY, PROOF_HAS_WRONG_LENGTH, TREES_ARE_INCONSISTENT, check_tree, root
from ringfence.evidence.witness.requests import AddCheckpoint, Answer, conflict, parse_request
from ringfence.evidence.witness.state import State
from ringfence.refusal import Fault, Refused, refusal

CLOCK_BACK_SECONDS_MAX: Final = 60  # a clock that is set right may step back so far; the time signed never does

CHECKPOINT_IS_OF_A_LOG_NOT_WATCHED = refusal(
    "checkpoint_is_of_a_log_not_watched",
    Fault.UNKNOWN,
    en="This witness does not watch the log {origin}.",
    zh="本见证方未登记日志 {origin}。",
)
OLD_SIZE_IS_ABOVE_THE_NEW = refusal(
    "old_size_is_above_the_new",
    Fault.INPUT,
    en="The old size {old} is above the checkpoint's {size}.",
    zh="旧大小 {old} 大于检查点的 {size}。",
)
WITNESS_CLOCK_WENT_BACK = refusal(
    "witness_clock_went_back",
    Fault.MACHINE,
    en="The witness's clock says {now}, but it has signed at {last}. It signs nothing until its clock is right.",
    zh="见证方的时钟为 {now}，而其已于 {last} 签名；时钟恢复正常前不再签名。",
)


class Witness:
    """A witness of some logs, with one key or two of one name. `logs` are the keys that it trusts; a log's origin is
    its key's name.
    """

    def __init__(
        self, state: State, cosigners: Sequence[Cosigner], logs: Sequence[Verifier], clock: Callable[[], datetime]
    ) -> None:
        self._state = state
        self._cosigners = tuple(cosigners)
        self._logs = tuple(logs)
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        for log in self._logs:
            self.last_signed(log.name)  # a file that was touched is found before anything is signed

    def add_checkpoint(self, body: bytes) -> Answer:
        """What is answered to a request."""
        try:
            return self._answer(body)
        except Refused as refused:
            return Answer(_status(refused), f"{refused}\n".encode())

    def last_signed(self, origin: str) -> tuple[Checkpoint, tuple[Signature, ...]] | None:
        """The checkpoint that was signed last for a log, and this witness's lines on it."""
        note = self._state.last(origin)
        if note is None:
            return None
        opened = open_note(note, [each.key for each in self._cosigners])
        return parse_text(opened.text), opened.verified

    def _answer(self, body: bytes) -> Answer:
        request = parse_request(body)
        checkpoint = self._signed_by_its_log(request)
        if request.old > checkpoint.size:
            raise OLD_SIZE_IS_ABOVE_THE_NEW(old=request.old, size=checkpoint.size)
        with self._one_at_a_time:
            known = self.last_signed(checkpoint.origin)
            last = known[0] if known else Checkpoint(checkpoint.origin, 0, root(EMPTY))
            if request.old != last.size:
                return conflict(last.size)
            if checkpoint.size == last.size and checkpoint.root != last.root:
                self._state.keep_contradiction(request.note)
                return conflict(last.size)
            self._check_continues(request, last, checkpoint)
            time = self._time(known[1] if known else ())
            text = parse_note(request.note).text
            lines = [each.cosign(text, time) for each in self._cosigners]
            self._state.keep(
                checkpoint.origin, write_note(Note(text, (*self._log_lines(request, checkpoint.origin), *lines)))
            )
            self._state.proven(request.note)
        return Answer(200, "".join(map(str, lines)).encode())

    def _signed_by_its_log(self, request: AddCheckpoint) -> Checkpoint:
        origin = parse_text(parse_note(request.note).text).origin
        trusted = [log for log in self._logs if log.name == origin]
        if not trusted:
            raise CHECKPOINT_IS_OF_A_LOG_NOT_WATCHED(origin=origin[:200])
        return open_checkpoint(request.note, origin, trusted)

    def _check_continues(self, request: AddCheckpoint, last: Checkpoint, checkpoint: Checkpoint) -> None:
        """The tree that was signed last is the beginning of the new one. What the log signed, and of which that was not
        shown, is kept: if it never is, the log has two histories.
        """
        if last.size in (0, checkpoint.size):
            if request.proof:
                raise PROOF_HAS_WRONG_LENGTH(length=len(request.proof))
            return
        try:
            check_tree(request.proof, last.size, last.root, checkpoint.size, checkpoint.root)
        except Refused:
            self._state.keep_unproven(request.note)
            raise

    def _log_lines(self, request: AddCheckpoint, origin: str) -> Iterator[Signature]:
        """The signatures of the log's trusted keys; others are nobody's."""
        trusted = {(log.name, log.key_id) for log in self._logs if log.name == origin}
        return (line for line in parse_note(request.note).signatures if (line.name, line.key_id) in trusted)

    def _time(self, signed: Sequence[Signature]) -> int:
        now, last = int(self._clock().timestamp()), max((time_of(line) for line in signed), default=0)
        if now < last - CLOCK_BACK_SECONDS_MAX:
            raise WITNESS_CLOCK_WENT_BACK(now=now, last=last)
        return max(now, last)


def _status(refused: Refused) -> int:
    """The HTTP status of a refusal: what the specification says, else what kind of fault it is."""
    if refused.refusal in (SIGNATURE_LINE_IS_MALFORMED, SIGNATURE_DOES_NOT_VERIFY, NOTE_IS_NOT_SIGNED_BY_KNOWN_KEY):
        return 403
    if refused.refusal in (PROOF_HAS_WRONG_LENGTH, TREES_ARE_INCONSISTENT):
        return 422
    return 400 if refused.refusal.fault is Fault.INPUT else refused.refusal.fault.value
