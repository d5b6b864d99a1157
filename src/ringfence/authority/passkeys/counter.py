"""A key that counts fewer uses than before: somebody may have copied it. It is refused, and the journal says so."""

from collections.abc import Iterator
from contextlib import contextmanager

from ringfence.authority.passkeys.refusals import PASSKEY_COUNTER_WENT_BACK
from ringfence.core import Core
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused


@contextmanager
def journaled(core: Core, credential_id: bytes | None) -> Iterator[None]:
    """Journal an alarm when the database refuses the block by `passkey_counter_went_back`; the refusal goes on."""
    try:
        yield
    except Refused as refused:
        if refused.refusal is PASSKEY_COUNTER_WENT_BACK and credential_id is not None:
            said = {
                "alarm": "passkey counter went back",
                "credential": credential_id.hex(),
                "counter": str(refused.facts.get("detail", "")),
            }
            core.post(Unit([Line(Kind.EVENT, core.new_id(), code=EventName.ALARM_RAISED, payload=said)]))
        raise
