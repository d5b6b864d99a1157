"""Drill: an approval is played again, for an amount or a payee that differs by one character.

The code that authorises a payment is specific to its amount and its payee, and any change of either makes it void
(PSD2: Delegated Regulation (EU) 2018/389, Article 5(1)(c) and (d)). The attacker has the core's role and keys, and a
payment that people really approved.
"""

from dataclasses import replace
from uuid import UUID

import psycopg
import pytest

from custody_world import PAYEE, custody_world
from drill import POOL, TakenCore, alarm, everybody_acts, ordered, sent, withheld
from policies import unsigned_toml
from ringfence.authority.policy import read_toml
from ringfence.authority.verification import record_of, verified_terms
from ringfence.banking.clearance import Waiting, cleared
from ringfence.banking.desk import custodian_accounts
from ringfence.banking.instruction import parse_instruction
from ringfence.custody import deciding, placing
from ringfence.ledger.ids import derived
from ringfence.refusal import Refused
from ringfence.vault.fields import PAYMENT

ORDER = UUID(int=0xBAD, version=4)


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path, policy=read_toml(unsigned_toml())) as found:
        found.pay_in("c1", 60_000_00)
        placing.place_withdrawal(found.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=found.sessions["tina"])
        found.approve(ORDER, "adam", "bella")
        yield found


@pytest.fixture
def core(world, database):
    return TakenCore(world, database)


def approved_bytes(world):
    return world.desk.vault.open(PAYMENT, str(ORDER)).encode()


ONE_CHARACTER = {
    "the amount": {"amount": "20000.01"},
    "the payee's account": {"creditor_account": PAYEE[:-1] + "2"},
}
OTHERWISE = [
    {"amount": "120000.00"},
    {"amount": "2000.00"},
    {"creditor_name": "Ann Number 2"},
    {"currency": "CNY"},
    {"book": "demp"},
    {"debtor_account": "bank:alpha:clienu"},
    {"salt": "00" * 15 + "01"},
]


@pytest.mark.parametrize("change", ONE_CHARACTER.values(), ids=ONE_CHARACTER.keys())
def test_an_approval_does_not_carry_over_to_other_bytes(world, core, change):
    """The core orders what differs by one character, in the bytes and in the journal: nothing is paid, and the notary
    names the row. Nor is it paid for whatever else differs.
    """
    approved = parse_instruction(approved_bytes(world))
    changed = replace(approved, **change)
    core.exchange_bytes(ORDER, changed.canonical())
    core.sql.execute("INSERT INTO banking.payment_order VALUES (1, %s, %s, %s)", (ORDER, POOL, world.now))
    first = core.append(ordered(changed))
    everybody_acts(world)
    assert sent(world) == []
    assert withheld(world) <= {"approved_something_else", "payment_holds_no_money"}
    assert len(withheld(world)) == 1
    assert alarm(world) == ("row_says_what_nobody_did", first)
    for other in OTHERWISE:
        core.exchange_bytes(ORDER, replace(approved, **other).canonical())
        everybody_acts(world, times=1)
    assert sent(world) == []


def test_every_single_byte_of_an_approved_payment_counts(world):
    """The honest event stands in the journal; the bytes in the vault have one other byte, in each place in turn, and
    the gateway clears none of them. With the bytes that were approved it does.
    """
    deciding.decide_all(world.desk)
    world.notary.step(world.now)
    payload, desk = approved_bytes(world), world.gateway
    assert len(payload) > 300
    with desk.connection() as connection:
        [account] = custodian_accounts(connection, desk.book.book_id)
        for place in range(len(payload)):
            other = payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]
            with pytest.raises(Refused):
                cleared(desk, connection, Waiting(ORDER, account.name, world.now, other), account)
        for other in (payload[:-1], payload + b" ", payload[1:], b"", payload * 2):
            with pytest.raises(Refused):
                cleared(desk, connection, Waiting(ORDER, account.name, world.now, other), account)
        assert cleared(desk, connection, Waiting(ORDER, account.name, world.now, payload), account).amount == "20000.00"


def test_an_approval_is_not_played_for_another_order_or_twice(world, core):
    """The same bytes under another order's id; and the same order once more, after it was paid."""
    second = UUID(int=0xBAE, version=4)
    again = replace(parse_instruction(approved_bytes(world)), order_id=second)
    core.order_payment(again)
    first = core.append(ordered(again))
    everybody_acts(world)
    assert sent(world) == []
    assert withheld(world) == {"payment_holds_no_money"}
    assert alarm(world) == ("row_says_what_nobody_did", first)
    for statement in (
        "INSERT INTO banking.payment_order VALUES (1, %s, %s, now())",
        "DELETE FROM banking.submission WHERE order_id = %s OR account_name = %s",
    ):
        with pytest.raises(psycopg.Error):
            core.sql.execute(statement, (second, POOL))


def test_an_order_that_was_paid_is_not_paid_again(world, core):
    world.turn()
    assert list(world.bank.balances().values()) == [40_000_00]
    assert (
        core.refused("INSERT INTO banking.payment_order VALUES (1, %s, %s, now())", ORDER, POOL)
        == "payment_is_ordered_once"
    )
    assert core.refused("UPDATE banking.payment_order SET order_id = gen_random_uuid()") == "42501"
    assert core.refused("DELETE FROM banking.submission") == "42501"
    world.turn()
    assert list(world.bank.balances().values()) == [40_000_00]


def test_a_decision_is_about_exactly_one_proposal_and_one_hash(world):
    """The rows of the approvals, read by a stranger: with another hash, order or proposal they bear nothing."""
    with world.core.connection() as connection:
        record = record_of(connection, 1, derived(ORDER, "proposal payout"))
    assert verified_terms(record, world.now).amount == 20_000_00
    proposal = record.proposal
    for place in range(0, len(proposal.payload), 7):
        payload = proposal.payload[:place] + bytes([proposal.payload[place] ^ 1]) + proposal.payload[place + 1 :]
        with pytest.raises(Refused):
            verified_terms(replace(record, proposal=replace(proposal, payload=payload)), world.now)
