"""The notary at work: it signs what is new, and looks at some of what is old, until it is told to stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ringfence.evidence.checkpoint import Checkpoint
from ringfence.evidence.notary import Notary
from ringfence.refusal import Refused

MANY_ROWS: Final = 4_096


@dataclass(frozen=True)
class Pauses:
    """Seconds of rest."""

    step: float = 0.2  # after a step
    many: float = 0.5  # after one of many rows that has caught up: fewer and larger ones cost those who post less
    look: float = 5.0  # between two looks at what is old, while something new always comes
    round: float = 2.0  # between two rounds of looks over all of it
    longest: float = 5.0  # after a refusal that was met again and again


PAUSES: Final = Pauses()


def work(
    notary: Notary,
    stopped: Callable[[], bool],
    clock: Callable[[], datetime],
    report: Callable[[Checkpoint | Refused], None],
    pauses: Pauses = PAUSES,
) -> None:
    """Until `stopped`: sign what is new, and look at some of what is old, also while something new always comes.

    A refusal is reported and tried again, ever more slowly; what it names is for people to look at.
    """
    pause, look_at = pauses.step, time.monotonic()
    while not stopped():
        try:
            before = notary.checkpoint.size
            signed = notary.step(clock())
            if signed is not None:
                report(signed)
            if time.monotonic() >= look_at:
                ended = notary.reread(clock()) == 0
                look_at = time.monotonic() + (pauses.round if ended else pauses.look if signed is not None else 0.0)
            many = MANY_ROWS <= notary.checkpoint.size - before < notary.block_rows - MANY_ROWS
            pause = pauses.many if many else pauses.step
        except Refused as refused:
            report(refused)
            pause = min(pause * 2, pauses.longest)
        time.sleep(pause)
