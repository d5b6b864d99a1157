"""The notary and the stranger's verifier know from the journal alone who may have a wallet, pay and receive.

One book, and rows that a taken core could append to it: the notary's audit looks at each as if it came next, once with
nothing in mind and once having seen every row before; the verifier reads the same rows.
"""

import json
from datetime import timedelta

import numpy as np
import pytest

from custody_world import PAYEE, custody_world, verified
from evidence_world import refusal_of
from ringfence.authority import proposals
from ringfence.custody import placing
from ringfence.diligence import evidence
from ringfence.diligence.advancing import advance_all
from ringfence.diligence.deciding import close_customer, restrict_customer
from ringfence.diligence.files import step_id
from ringfence.diligence.verification import WalletAudit
from ringfence.evidence.replay import Replay
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Account, Kind, Line, batch, microseconds
from ringfence.ledger.storage import Block, head_of, read_block
from ringfence.refusal import Refused
from test_verifier_approvals import changed
from test_verifier_origins import without
from verifier_world import imported, rows_of, seen

BANK = "bank:alpha:client"


WALLETS = imported("wallets")


@pytest.fixture(scope="module")
def world(module_database, tmp_path_factory):
    """c1 pays and is paid; c2 may only receive, c3 neither; c4 has a tier of at most 150.00; c5 has closed the account;
    c6 waits for people; c7 was restricted by a person, and people verified the customer again.
    """
    with custody_world(module_database, tmp_path_factory.mktemp("home"), customers_=3) as world:
        world.pay_in("c1", 5_000_00)
        world.pay_in("c2", 300_00)
        by = world.sessions["tina"]
        placing.place_freeze(world.desk, world.new_id(), "c2", 100_00, by=by, reference="court")
        returning = placing.place_withdrawal(world.desk, world.new_id(), "c2", 50_00, payee_account=PAYEE, by=by)
        for number in (4, 5, 7):
            tier = "simplified" if number == 4 else None
            verified(world.diligence, f"c{number}", name=f"Ann {number}", bank=BANK, tier=tier)
        verified(world.diligence, "c6", name="Ann 6", bank=BANK, risk_class="high")
        world.pay_in("c4", 100_00)
        world.turn()
        rita = world.sessions["rita"]
        restrict_customer(world.diligence, rita, "c2", "in", "asked twice")
        restrict_customer(world.diligence, rita, "c3", "none", "asked twice")
        restrict_customer(world.diligence, rita, "c7", "none", "asked twice")
        close_customer(world.diligence, rita, "c5")
        again(world, "c7")
        world.returning = returning.order_id
        world.turn()
        world.wait(minutes=10)
        yield world


def again(world, customer):
    """New papers, and people who decide on them."""
    scan = "3f" * 32
    evidence.take_document(world.diligence, customer, kind="passport", country="LT", sha256=scan, by=None)
    advance_all(world.diligence)
    with world.core.connection() as connection:
        for about in proposals.pending(connection, 1, world.now, "customer_verification"):
            if about.terms.facts["customer"] == customer:
                proposals.approve(world.core, world.sessions["bella"], about.proposal_id, about.payload_sha256)
    advance_all(world.diligence)


def number(world, name):
    with world.core.connection() as connection:
        return reading.account(connection, 1, name).account


def moved(world, debit, credit, amount=1_00, kind=Kind.TRANSFER, code=Purpose.CUSTOMER_TRANSFER, **other):
    names = [name if ":" in name else f"customer:{name}:available" for name in (debit, credit)]
    accounts = [number(world, name) for name in names]
    return Line(kind, world.new_id(), *accounts, amount, code=code, **other)


def step(world, customer, act, state, **said):
    """The next step of a file, as a taken core could journal it."""
    with world.core.connection() as connection:
        row = connection.execute(b"SELECT step FROM diligence.file WHERE customer_id = %s", [customer]).fetchone()
    told = {"customer": customer, "step": row[0] + 1, "state": state, **said}
    return Line(Kind.EVENT, step_id(1, customer, told["step"]), code=act, payload=told)


def verification(world, customer, **said):
    told = {"tier": "standard", "profile": "eu-psd2", "limits": {}, "risk_class": "low", "proposal": None} | said
    return step(world, customer, EventName.CUSTOMER_VERIFIED, "verified", **told)


def opening(world, customer, part="spare"):
    with world.core.connection() as connection:
        last = connection.execute(b"SELECT max(account) FROM ledger.account").fetchone()[0]
    account = Account(
        last + 1, f"customer:{customer}:{part}", "EUR", "credit", 0, None, f"customer:{customer}", "client"
    )
    return Line(Kind.ACCOUNT_OPENED, world.new_id(), debit_account=last + 1, payload=account.payload())


def verdicts(world, *chains, after=timedelta(minutes=1)):
    """What the notary, cold and warm, and the verifier say of rows that come next; None where all is well."""
    with world.core.connection() as connection:
        head = head_of(connection, 1)
        before = read_block(connection, 1, 0, head)
        given = batch([list(chain) for chain in chains])
        at = microseconds(world.now + after)
        new = Block(head, given, np.full(len(given), at))
        replay, warm = Replay(), WalletAudit()
        replay.take(before, lambda _: {})
        warm(connection, 1, before, replay.balances)
        undo = replay.take(new, lambda _: {})
        told = [because(audit, connection, new, replay.balances) for audit in (WalletAudit(), warm)]
        undo()
    assert told[0] == told[1]
    rows = [*seen(1, before), *seen(1, new)]
    return told[0], verdict(rows)


def because(audit, connection, block, balances):
    try:
        audit(connection, 1, block, balances)
    except Refused as refused:
        return refused.facts["because"] if refused.name == "row_contradicts_diligence" else refused.name
    return None


def verdict(rows):
    found = WALLETS.Wallets()
    try:
        for row, said in rows:
            found.add(row, json.dumps(said).encode() if said else b"")
    except WALLETS.Wrong as wrong:
        return wrong.name
    return None


RESTRICTED = ("the customer is restricted", "customer_is_restricted")
UNVERIFIED = ("the customer is not verified", "customer_was_not_verified")
ABOVE = ("the wallet holds more than the customer's tier allows", "wallet_is_above_its_tier")
PEOPLE = ("people had to decide on the customer, and did not", "verification_lacks_approval")
NEXT = ("it is not the next step of the customer's file", "step_is_not_the_next")
WELL = (None, None)


def test_an_honest_book_is_right_and_so_are_movements_of_the_verified(world):
    assert verdicts(world, [moved(world, "c1", "c7")], [moved(world, "c7", "c1")]) == WELL
    assert verdicts(world, [moved(world, BANK, "c1", code=Purpose.DEPOSIT)]) == WELL
    assert verdicts(world, [moved(world, "c1", "fees:due:EUR", code=Purpose.PLATFORM_FEE)]) == WELL
    with world.core.connection() as connection:
        rows = rows_of(connection)
    found = WALLETS.Wallets()
    for row, said in rows:
        found.add(row, json.dumps(said).encode() if said else b"")
    assert (len(found.customers), found.verified()) == (7, 3)


def test_money_of_whom_a_restriction_keeps_from_paying_or_receiving_is_named(world):
    """
    c2 pays, c3 receives, c3 pays                             -> restricted
    c2 receives; c2 moves between own accounts                -> well
    a withdrawal of c2 is held                                -> restricted; a payment that is on its way is posted
    """
    assert verdicts(world, [moved(world, "c2", "c1")]) == RESTRICTED
    assert verdicts(world, [moved(world, "c1", "c3")]) == RESTRICTED
    assert verdicts(world, [moved(world, BANK, "c3", code=Purpose.DEPOSIT)]) == RESTRICTED
    assert verdicts(world, [moved(world, "c1", "c2")]) == WELL
    assert verdicts(world, [moved(world, "customer:c2:frozen", "c2", code=Purpose.RELEASE)]) == WELL
    hold = moved(world, "c2", BANK, kind=Kind.PENDING, code=Purpose.WITHDRAWAL, order_id=world.new_id())
    assert verdicts(world, [hold]) == RESTRICTED
    assert verdicts(world, [moved(world, "c1", "c2")], [moved(world, "c2", "c1")]) == RESTRICTED


def test_a_payment_comes_back_to_whoever_made_it_and_nothing_else_comes_that_way(world):
    back = moved(world, BANK, "c2", 50_00, code=Purpose.BANK_RETURN, order_id=world.returning)
    shut = step(world, "c2", EventName.CUSTOMER_RESTRICTED, "restricted", reason="person", direction="none")
    assert verdicts(world, [shut], [back]) == WELL
    other = moved(world, BANK, "c2", 60_00, code=Purpose.BANK_RETURN, order_id=world.returning)
    assert verdicts(world, [shut], [other]) == RESTRICTED
    elsewhere = moved(world, BANK, "c3", 50_00, code=Purpose.BANK_RETURN, order_id=world.returning)
    assert verdicts(world, [elsewhere]) == RESTRICTED


def test_what_programs_post_may_be_a_minute_late_and_nothing_else_may(world):
    """The restriction and the movement stand in one block, or a minute lies between."""
    shut = step(world, "c1", EventName.CUSTOMER_RESTRICTED, "restricted", reason="person", direction="none")
    assert verdicts(world, [shut], [moved(world, "c1", "c7")]) == WELL
    assert verdicts(world, [shut], [moved(world, "c1", "c7", code=250)]) == WELL
    assert verdicts(world, [shut], [moved(world, "c1", "fees:due:EUR", code=Purpose.PLATFORM_FEE)]) == RESTRICTED
    assert verdicts(world, [shut], [moved(world, BANK, "c1", code=Purpose.DEPOSIT)]) == RESTRICTED


def test_nobody_has_a_wallet_without_verification(world):
    """Not who never was verified, not who left; and not by a row that says so out of turn, or for people."""
    assert verdicts(world, [opening(world, "c1")]) == WELL
    assert verdicts(world, [opening(world, "nobody")]) == (UNVERIFIED[0], "wallet_lacks_its_verification")
    assert verdicts(world, [opening(world, "c6")]) == (UNVERIFIED[0], "wallet_lacks_its_verification")
    strange = opening(world, "c6")
    paid = Line(Kind.TRANSFER, world.new_id(), number(world, BANK), strange.debit_account, 1, code=Purpose.DEPOSIT)
    assert verdicts(world, [strange, paid]) == UNVERIFIED
    assert verdicts(world, [opening(world, "c6"), verification(world, "c6", risk_class="high")]) == PEOPLE
    assert verdicts(world, [verification(world, "c3")]) == PEOPLE
    early = verification(world, "c1")
    assert (
        verdicts(world, [Line(Kind.EVENT, step_id(1, "c1", 99), code=early.code, payload=early.payload | {"step": 99})])
        == NEXT
    )
    assert verdicts(world, [step(world, "c5", EventName.TIER_ASKED, "verified", tier="standard")]) == NEXT
    assert verdicts(world, [step(world, "c2", EventName.TIER_ASKED, "verified", tier="standard")]) == NEXT


def test_a_wallet_holds_no_more_than_its_tier_whatever_moves_in_the_same_block(world):
    """
    c4 holds 100.00 of 150.00
    50.00 come -> well; 50.01 -> above; 50.00 come, 10.00 leave, 10.01 come -> above; frozen money counts
    """

    def comes(amount):
        return moved(world, BANK, "c4", amount, code=Purpose.DEPOSIT)

    frozen = moved(world, "c4", "customer:c4:frozen", 60_00, code=Purpose.FREEZE)
    leaves_ = moved(world, "c4", "c1", 10_00)
    assert verdicts(world, [comes(50_00)]) == WELL
    assert verdicts(world, [comes(50_01)]) == ABOVE
    assert verdicts(world, [comes(50_00)], [leaves_], [comes(10_00)]) == WELL
    assert verdicts(world, [comes(50_00)], [leaves_], [comes(10_01)]) == ABOVE
    assert verdicts(world, [comes(50_01)], [leaves_]) == ABOVE
    assert verdicts(world, [frozen], [comes(50_01)]) == ABOVE
    wider = verification(world, "c4", limits={"currency": "EUR", "balance": "20000"})
    assert verdicts(world, [wider], [comes(100_00)]) == WELL
    assert verdicts(world, [wider], [comes(100_01)]) == ABOVE


def test_the_verifier_misses_a_verification_that_is_not_there(world):
    with world.core.connection() as connection:
        rows = rows_of(connection)
    assert verdict(without(rows, EventName.CUSTOMER_VERIFIED, customer="c1")) == "wallet_lacks_its_verification"
    assert verdict(without(rows, EventName.PROPOSAL_APPROVED, person="bella")) == "verification_lacks_approval"
    malformed = changed(rows, EventName.CUSTOMER_VERIFIED, lambda said: said | {"limits": 7})
    assert verdict(malformed) == "diligence_is_malformed"
    no_policy = without(rows, EventName.POLICY_SET)
    assert verdict(without(no_policy, EventName.PROPOSAL_APPROVED, person="bella")) is None


def test_the_notary_signs_no_such_row(database, tmp_path):
    """A taken core pays a customer's money to another who is restricted, by a row of its own."""
    with custody_world(database, tmp_path, customers_=2) as world:
        world.pay_in("c1", 10_00)
        restrict_customer(world.diligence, world.sessions["rita"], "c2", "none", "asked twice")
        world.turn()
        world.wait(minutes=2)
        line = moved(world, "c1", "c2")
        world.core.post(Unit([line]))
        refused = refusal_of(world.notary.step, world.now)
        assert (refused.name, refused.facts["customer"]) == ("row_contradicts_diligence", "c2")
        assert "c2" in refused.sentence("zh")
        with world.core.connection() as connection:
            [signed] = connection.execute(b"SELECT max(size) FROM evidence.checkpoint").fetchone()
            [alarm] = connection.execute(b"SELECT name FROM evidence.alarm ORDER BY 1 LIMIT 1").fetchone()
            assert (signed, alarm) == (head_of(connection, 1) - 1, "row_contradicts_diligence")
