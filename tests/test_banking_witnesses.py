"""Large payouts wait for a witnessed checkpoint: a real gateway, a real notary, and a witness of its own."""

from dataclasses import replace
from uuid import UUID

import pytest

from custody_world import PAYEE, custody_world
from ringfence.banking import gateway
from ringfence.banking.queries import QUERIES as BANKING
from ringfence.custody import placing
from ringfence.evidence.cosignature import ED25519, Cosigner
from ringfence.evidence.keys import read_verifier
from ringfence.evidence.tiles import read_file
from ringfence.evidence.witness.asking import Asking
from ringfence.evidence.witness.requests import Answer
from ringfence.evidence.witness.state import State, found_state
from ringfence.evidence.witness.witness import Witness
from ringfence.evidence.witnessing import Witnessing, read_witnessing
from ringfence.refusal import Refused

SMALL, LARGE = (UUID(int=number, version=4) for number in (1, 2))


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path) as found:
        found.pay_in("c1", 60_000_00)
        found.turn()
        yield found


@pytest.fixture
def bank(world, tmp_path):
    """The custodian bank's witness, and the notary's asking it; `away` when it does not answer."""
    home = tmp_path / "bank"
    found_state(home)
    state = State(home)
    key, log = Cosigner.from_seed("bank.example/w1", ED25519, b"b" * 32), read_verifier(world.gateway.evidence)
    witness = Witness(state, [key], [log], lambda: world.now)
    (tmp_path / "witnesses.policy").write_text(f"witness bank {key.key} http://bank.example/\nquorum bank\n")
    (tmp_path / "witnesses.toml").write_text('policy = "witnesses.policy"\n[payouts_above]\nEUR = "40.00"\n')
    witnessing = read_witnessing(tmp_path)
    assert isinstance(witnessing, Witnessing)
    away: list[bool] = []

    def post(_: str, body: bytes) -> Answer:
        if away:
            raise OSError("connection refused")
        return witness.add_checkpoint(body)

    asking = Asking(world.gateway.evidence, log, witnessing.quorum, post, lambda: world.now)
    yield witnessing, asking, away
    state.close()


def withdraw(world, order: UUID, amount: int) -> None:
    placing.place_withdrawal(world.desk, order, "c1", amount, payee_account=PAYEE, by=world.sessions["tina"])


def go_on(world, desk, asking) -> None:
    for _ in range(2):
        world.wait(seconds=1)
        world.notary.step(world.now)
        asking.round()
        gateway.turn(desk)


def sent(world) -> set[UUID]:
    with world.core.connection() as connection:
        return {row[0] for row in connection.execute(b"SELECT order_id FROM banking.submission")}


def withheld(world) -> set[str]:
    with world.core.connection() as connection:
        question = {"book": world.core.book.book_id, "limit": 100}
        return {row[1] for row in connection.execute(BANKING.withheld, question)}


def test_above_the_amount_a_payout_waits_for_the_witness_and_below_it_does_not(world, bank):
    witnessing, asking, away = bank
    desk = replace(world.gateway, witnessing=witnessing)
    away.append(True)
    withdraw(world, SMALL, 40_00)
    withdraw(world, LARGE, 40_01)
    go_on(world, desk, asking)
    assert sent(world) == {SMALL}
    away.clear()
    go_on(world, desk, asking)
    assert sent(world) == {SMALL, LARGE}


def test_a_witnessed_file_that_somebody_else_wrote_pays_nothing(world, bank):
    """The signatures of the witness are not what the core, or whoever holds the log's folder, can make."""
    witnessing, asking, away = bank
    desk = replace(world.gateway, witnessing=witnessing)
    asking.round()
    away.append(True)
    withdraw(world, LARGE, 60_00)
    go_on(world, desk, asking)
    witnessed, last = desk.evidence / "witnessed", read_file(desk.evidence, "checkpoint")
    older = witnessed.read_bytes()
    line = older[older.index("— bank.example".encode()) :]
    for forged in (last, last + line, older.replace(b"\n", b"", 1)):
        witnessed.write_bytes(forged)
        world.wait(seconds=1)
        gateway.turn(desk)
        assert LARGE not in sent(world)
    witnessed.write_bytes(older)
    away.clear()
    go_on(world, desk, asking)
    assert LARGE in sent(world)


@pytest.mark.parametrize(
    "said",
    ["", "policy = 1\n", 'policy = "none"\n', 'policy = "witnesses.policy"\n[payouts_above]\nEUR = 5000\n',
     'policy = "witnesses.policy"\n[payouts_above]\nEUR = "5000.001"\n', 'policy = "witnesses.policy"\nother = 1\n',
     'policy = "witnesses.policy"\n[payouts_above]\nXXY = "1"\n', "policy ="],
)  # fmt: skip
def test_settings_that_do_not_hold_are_refused_by_name(tmp_path, said):
    (tmp_path / "witnesses.policy").write_text("quorum none\n")
    (tmp_path / "witnesses.toml").write_text(said)
    with pytest.raises(Refused) as caught:
        read_witnessing(tmp_path)
    assert caught.value.name in ("witnesses_file_is_wrong", "quorum_file_is_unreadable")


def test_without_the_file_nobody_is_asked_and_nothing_waits(tmp_path):
    assert read_witnessing(tmp_path) is None
