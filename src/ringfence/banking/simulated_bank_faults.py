"""What can be wrong with the simulated bank, as one frozen value that tests and drills set.

A switch holds from when it is set until it is set otherwise; the bank keeps it with its state, so that another process
sees it too. The bank's own books stay right throughout: only what it says is wrong. What a wrong file holds is decided
when the file is queued and kept with it, so the same seed and times give the same bytes, also after a crash.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from ringfence.banking.statement_writer import BookedEntry, DayStatement
from ringfence.refusal import Fault, refusal

SIMULATED_SWITCH_IS_MALFORMED = refusal(
    "simulated_switch_is_malformed",
    Fault.INPUT,
    en="{value!r} is not a setting of the simulated bank's switch {switch}.",
    zh="{value!r} 不是模拟银行开关 {switch} 的有效取值。",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """All off by default. Each says what the bank does while it is on."""

    silence: bool = False
    """Orders are taken and paid, and never answered."""
    pending: bool = False
    """Orders are taken and answered PDNG; they are paid, and answered again, once this is off."""
    reject_reason: str = ""
    """Every transfer is rejected for this ISO 20022 reason, such as AC04 (the creditor's account is closed)."""
    return_after_days: int | None = None
    """Payments made come back this many days later (退汇), for `return_reason`."""
    return_reason: str = "AC04"
    statement_delay_minutes: int = 0
    """Statements arrive this much later."""
    closing_off_by_minor: int = 0
    """Statements show a closing balance that is wrong by this."""
    missing_entry: bool = False
    """Statements leave out one of their entries."""
    duplicated_entry: bool = False
    """Statements list one of their entries twice."""
    changed_amount_by_minor: int = 0
    """Statements show one of their entries with an amount that is larger by this (smaller if negative)."""
    unknown_receipt_minor: int = 0
    """At the end of a day this much arrives on every account, from nobody and without a reference."""
    truncated_statement: bool = False
    """Statement files end in the middle."""
    wrong_message_type: bool = False
    """Under the name of a statement comes a camt.054 of the same entries."""
    lost_advice: bool = False
    """Receipts are booked and stand in the statement, and no advice tells of them."""
    delivered_twice: bool = False
    """Every file comes twice, under two names."""

    def __post_init__(self) -> None:
        for switch, limits in (
            ("return_after_days", (0, 366)),
            ("statement_delay_minutes", (0, 366 * 24 * 60)),
            ("unknown_receipt_minor", (0, 10**15)),
            ("closing_off_by_minor", (-(10**15), 10**15)),
            ("changed_amount_by_minor", (-(10**15), 10**15)),
        ):
            value = getattr(self, switch)
            if value is not None and not limits[0] <= value <= limits[1]:
                raise SIMULATED_SWITCH_IS_MALFORMED(switch=switch, value=value)
        for switch in ("reject_reason", "return_reason"):
            value = getattr(self, switch)
            if len(value) not in ({0, 4} if switch == "reject_reason" else {4}) or not (value + "A").isalnum():
                raise SIMULATED_SWITCH_IS_MALFORMED(switch=switch, value=value)

    def as_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Switches":
        return cls(**json.loads(text))


def as_told(statement: DayStatement, switches: Switches, seed: int) -> DayStatement:
    """The statement as the bank tells it: with an entry missing, twice or changed, and a closing balance that is off.
    The seed chooses the entry to miss, the next one is doubled, the one after that changed, so that faults set together
    do not undo one another where there are entries enough. A day without entries has none to spoil.
    """
    entries, count = [], len(statement.entries)
    missing = _chosen(statement, seed) % max(1, count)
    doubled, changed = (missing + 1) % max(1, count), (missing + 2) % max(1, count)
    for number, entry in enumerate(statement.entries):
        if switches.missing_entry and number == missing:
            continue
        told = _changed(entry, switches.changed_amount_by_minor) if number == changed else entry
        entries += [told, told] if switches.duplicated_entry and number == doubled else [told]
    closing_minor = statement.closing_minor + switches.closing_off_by_minor
    return replace(statement, entries=tuple(entries), closing_minor=closing_minor)


def _chosen(statement: DayStatement, seed: int) -> int:
    text = f"{seed}/{statement.account.number}/{statement.last_day.isoformat()}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _changed(entry: BookedEntry, by_minor: int) -> BookedEntry:
    """The entry with another amount, still an amount: never nothing and never in the other direction."""
    if by_minor == 0:
        return entry
    direction = 1 if entry.signed_minor > 0 else -1
    return replace(entry, signed_minor=direction * max(1, abs(entry.signed_minor) + by_minor))
