"""The gateway: the process that speaks with banks.

It holds what opens a bank (here: the exchange folders of each bank) and believes nobody. Files that come in pass their
gates before a line of them is believed (`inbox`); a payment goes out only after everything that must be true of it was
found true by the gateway itself (`verification`, `outbox`). It writes no money: its role may not append to the journal.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ringfence.banking import inbox, outbox
from ringfence.banking.desk import GatewayDesk
from ringfence.refusal import Fault, Refused

PAUSE_SECONDS: Final = 0.2
PAUSE_SECONDS_MAX: Final = 5.0


@dataclass(frozen=True)
class Turn:
    """What one turn did: files read and quarantined, payments sent and withheld."""

    read: int
    quarantined: int
    sent: int
    withheld: int

    @property
    def idle(self) -> bool:
        return not (self.read or self.quarantined or self.sent or self.withheld)


def turn(desk: GatewayDesk) -> Turn:
    """Take what has come, send what may go. Safe to repeat after a crash at any step."""
    taken = inbox.take_files(desk)
    sent = outbox.send_payments(desk)
    return Turn(taken.read, taken.quarantined, sent.sent, sent.withheld)


def run(
    desk: GatewayDesk,
    log: Callable[..., None],
    stopped: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Turn until stopped. A fault of the machine (folder gone, disk full, database lost) is logged and tried again."""
    pause = PAUSE_SECONDS
    while not stopped():
        try:
            done = turn(desk)
            pause = PAUSE_SECONDS
            if not done.idle:
                log(
                    "gateway turn", read=done.read, quarantined=done.quarantined, sent=done.sent, withheld=done.withheld
                )
        except Refused as refused:
            if refused.refusal.fault is not Fault.MACHINE:
                raise
            log("gateway waits", refused=refused.name, sentence=refused.sentence())
            pause = min(pause * 2, PAUSE_SECONDS_MAX)
        sleep(pause)
