"""Which witnesses an installation asks, and what waits for them: `witnesses.toml` in its home.

    policy = "witnesses.policy"      # beside this file; C2SP tlog-policy (`quorum`)

    [payouts_above]                  # a payout above so much waits for a witnessed checkpoint
    EUR = "10000.00"

    [timestamps]                     # once a day an authority signs when the checkpoint was there (`timestamping`)
    url = "https://tsa.example/"
    certificate = "authority.pem"    # beside this file

In a currency that is not named nothing waits. Without the file nobody is asked. The gateway reads its own copy: what is
to be witnessed is not for those to say who order payments.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint
from ringfence.evidence.note import Verifier
from ringfence.evidence.quorum import Quorum, read_quorum
from ringfence.evidence.tiles import LOG_FILE_IS_MISSING, read_file
from ringfence.money import currency, parse_minor
from ringfence.refusal import Fault, Refused, refusal

FILE: Final = "witnesses.toml"

WITNESSES_FILE_IS_WRONG = refusal(
    "witnesses_file_is_wrong",
    Fault.INPUT,
    en="{path} does not say which witnesses are asked: {detail}.",
    zh="{path} 未能说明向哪些见证方请求签名：{detail}。",
)


@dataclass(frozen=True)
class Witnessing:
    """The policy, and by currency the amount in minor units above which a payout waits."""

    quorum: Quorum
    payouts_above: Mapping[str, int]

    def wanted(self, unit: str, minor: int) -> bool:
        return unit in self.payouts_above and minor > self.payouts_above[unit]


def read_witnessing(home: Path) -> Witnessing | None:
    """What `witnesses.toml` says; None if it is not there, or names no witnesses."""
    path = home / FILE
    said = read_file_of(home)
    if said is None or said.keys() == {"timestamps"}:
        return None
    if not {"policy"} <= said.keys() <= {"policy", "payouts_above", "timestamps"} or not isinstance(
        said["policy"], str
    ):
        raise WITNESSES_FILE_IS_WRONG(path=path, detail="it names a policy, and perhaps payouts_above and timestamps")
    return Witnessing(read_quorum(home / said["policy"]), _limits(path, said.get("payouts_above", {})))


def read_file_of(home: Path) -> dict[str, Any] | None:
    """What stands in `witnesses.toml`; None if it is not there."""
    path = home / FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as failed:
        raise WITNESSES_FILE_IS_WRONG(path=path, detail=failed) from failed


def witnessed_checkpoint(log: Path, verifier: Verifier, quorum: Quorum) -> Checkpoint | None:
    """The last checkpoint that the log's key signed and enough witnesses cosigned; None if there is none yet."""
    note = read_witnessed(log)
    if note is None:
        return None
    open_checkpoint(note, verifier.name, [verifier])
    return quorum.holds(note)


def read_witnessed(log: Path) -> bytes | None:
    """The note of it as it lies beside the log, verified by nobody."""
    try:
        return read_file(log, "witnessed")
    except Refused as refused:
        if refused.refusal is LOG_FILE_IS_MISSING:
            return None
        raise


def _limits(path: Path, said: Any) -> dict[str, int]:
    if not isinstance(said, dict) or not all(isinstance(each, str) for each in said.values()):
        raise WITNESSES_FILE_IS_WRONG(path=path, detail="payouts_above gives a currency's amount as text")
    try:
        return {code: parse_minor(amount, currency(code)) for code, amount in said.items()}
    except Refused as refused:
        raise WITNESSES_FILE_IS_WRONG(path=path, detail=refused.sentence()) from refused
