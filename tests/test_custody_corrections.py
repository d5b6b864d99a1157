"""Corrections and own money: taken back or paid in by people only. Database, notary and stranger say the same."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from console_world import console_world, post
from custody_world import DAY, PASSWORD, PAYEE, World, custody_world
from ringfence.authority import proposals
from ringfence.authority.queries import QUERIES
from ringfence.custody import corrections, deciding, placing, settlement
from ringfence.custody.settlement import Advice
from ringfence.ledger.codes import EventName, Purpose
from ringfence.ledger.encoding import leaves
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.reading import account
from ringfence.ledger.storage import head_of, read_block
from ringfence.refusal import Refused
from ringfence.risk import packs
from test_verifier_origins import without
from test_verifier_requirements import verdict
from verifier_world import BOOK

C1, C2, BANK, OWN = "customer:c1:available", "customer:c2:available", "bank:alpha:client", "platform:funding:EUR"


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path) as found:
        found.pay_in("c1", 500_00)
        yield found


def refusal_of(act, *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def gave(world: World, amount: int = 100_00) -> UUID:
    """c1 gives c2 money; the id of the transfer."""
    made = placing.place_transfer(world.desk, world.new_id(), "c1", "c2", amount, by=world.sessions["tina"])
    return derived(made.order_id, "money")


def propose(world: World, transfer: UUID) -> proposals.Drafted:
    return corrections.propose(world.core, world.sessions["tina"], transfer, "to the wrong customer")


def approve(world: World, made: proposals.Drafted, who: str = "adam") -> None:
    proposals.approve(world.core, world.sessions[who], made.proposal_id, made.payload_sha256)


def correction(world: World, transfer: UUID, proposal: UUID, **other: Any) -> Line:
    """The row as `corrections.carry_out` writes it, or another."""
    with world.core.connection() as connection:
        found = corrections.posted(connection, 1, transfer)
    row = Line(
        Kind.CORRECTION, derived(proposal, "carried out"), found.credit_account, found.debit_account, found.amount
    )
    return replace(row, **({"refers_to": transfer, "order_id": proposal, "value_date": DAY} | other))


def alarm(world: World) -> tuple[str, dict[str, Any]]:
    """What the notary says of what is new."""
    world.wait(seconds=1)
    try:
        while world.notary.step(world.now) is not None:
            pass
    except Refused as refused:
        return refused.name, dict(refused.facts)
    return "", {}


def rows(world: World) -> list[tuple[Any, dict[str, Any]]]:
    with world.core.connection() as connection:
        block = read_block(connection, 1, 0, head_of(connection, 1))
    found = []
    for sequence, leaf in enumerate(leaves(1, 0, block.posted_at, block.batch)):
        row, payload = BOOK.decode(leaf, sequence)
        found.append((row, json.loads(payload or b"{}")))
    return found


def test_a_transfer_is_taken_back_once_by_two_people_and_everybody_finds_that_right(world):
    """c1 gave c2 100.00 by mistake; a treasurer proposes, an approver agrees, the notary signs, the stranger agrees."""
    transfer = gave(world)
    made = propose(world, transfer)
    with world.core.connection() as connection:
        terms = proposals.proposal_of(connection, 1, made.proposal_id).terms
    assert (terms.amount, terms.facts["transfer"]) == (100_00, str(transfer))
    assert (terms.facts["debit"], terms.facts["credit"]) == (C2, C1)
    assert refusal_of(corrections.carry_out, world.core, made.proposal_id) == "proposal_is_not_complete"
    assert refusal_of(approve, world, made, "tina") == "maker_may_not_check"
    approve(world, made)
    assert corrections.carry_out_all(world.core) == 1
    corrections.carry_out(world.core, made.proposal_id)
    assert (world.balance(C1), world.balance(C2)) == ((500_00, 0), (0, 0))
    assert refusal_of(propose, world, transfer) == "transfer_already_corrected"
    assert refusal_of(propose, world, world.new_id()) == "corrected_transfer_must_exist"
    assert alarm(world) == ("", {})
    true = rows(world)
    assert isinstance(verdict(true), tuple)
    assert verdict(without(true, EventName.PROPOSAL_APPROVED, person="adam")) == "correction_lacks_its_approvals"
    twice = next(each for each in true if each[0].kind == Kind.CORRECTION)
    assert verdict([*true, twice]) == "correction_lacks_its_approvals"


def test_what_a_bank_paid_or_what_is_gone_is_not_taken_back(world):
    paid = placing.place_withdrawal(
        world.desk, world.new_id(), "c1", 50_00, payee_account=PAYEE, by=world.sessions["tina"]
    )
    world.turn()
    assert refusal_of(propose, world, derived(paid.order_id, "post")) == "transfer_cannot_be_corrected"
    made = propose(world, gave(world, 100_00))
    back = placing.place_transfer(world.desk, world.new_id(), "c2", "c1", 60_00, by=world.sessions["tina"])
    assert back.state == "settled"
    approve(world, made)
    assert corrections.carry_out_all(world.core) == 0  # c2 has 40.00 left: the ledger's no is final
    assert corrections.carry_out_all(world.core) == 0
    assert world.balance(C2) == (40_00, 0)


def test_the_database_takes_no_other_row_than_the_one_that_was_approved(world):
    transfer, other = gave(world, 100_00), gave(world, 100_00)
    made = propose(world, transfer)
    approve(world, made)

    def written(**changes: Any) -> str:
        row = correction(world, transfer, made.proposal_id, **changes)
        asked = {"book": 1, "correction": row.id, "proposal": made.proposal_id}
        return refusal_of(world.core.post, Unit([row], [(QUERIES.carry_out_correction, asked)]))

    assert written(refers_to=other) == "event_must_say_what_happens"
    assert written(order_id=world.new_id()) == "event_must_say_what_happens"
    corrections.carry_out(world.core, made.proposal_id)
    assert world.balance(C1) == (400_00, 0)


@pytest.mark.parametrize(
    ("forged", "because"),
    [
        ("of nobody", "proposal_must_exist"),
        ("of another transfer", "something else was approved"),
        ("not approved", "approvals_do_not_suffice"),
        ("not spent", "the proposal was spent elsewhere, or not at all"),
        ("of another act", "something else was approved"),
    ],
)
def test_a_correction_that_people_did_not_approve_is_named_by_the_notary(world, forged, because):
    transfer, other = gave(world, 100_00), gave(world, 100_00)
    if forged == "of nobody":
        proposal = world.new_id()
    elif forged == "of another act":
        funding = placing.announce_funding(
            world.desk, world.new_id(), BANK, 100_00, by=world.sessions["tina"], reference="OWN"
        )
        world.approve(funding.order_id, "adam")
        proposal = derived(funding.order_id, "proposal funding")
    else:
        made = propose(world, other if forged == "of another transfer" else transfer)
        if forged != "not approved":
            approve(world, made)
        proposal = made.proposal_id
    world.core.post(Unit([correction(world, transfer, proposal)]))
    name, facts = alarm(world)
    assert (name, facts.get("because")) == ("movement_lacks_approval", because)


def test_own_money_is_expected_once_people_agreed_and_the_notary_signs_it(world):
    by = world.sessions["tina"]
    placed = placing.announce_funding(world.desk, world.new_id(), BANK, 70_00, by=by, reference="OWN-1")
    assert placed.state == "awaiting_approval"
    again = placing.announce_funding(world.desk, placed.order_id, BANK, 70_00, by=by, reference="OWN-1")
    assert again == placed
    world.approve(placed.order_id, "adam")
    assert deciding.decide_order(world.desk, placed.order_id).state == "expected"
    world.wait(days=2)  # the approval stands for a day; the bank's money may come later
    world.pay_in("", 70_00, "OWN-1")
    assert world.balance(OWN) == (70_00, 0)
    assert alarm(world) == ("", {})
    true = rows(world)
    assert isinstance(verdict(true), tuple)
    assert verdict(without(true, EventName.PROPOSAL_APPROVED, person="adam")) == "funding_lacks_its_approvals"
    world.sign_in_again()
    by = world.sessions["tina"]
    no = placing.announce_funding(world.desk, world.new_id(), BANK, 5_00, by=by, reference="OWN-2")
    proposal = derived(no.order_id, "proposal funding")
    with world.core.connection() as connection:
        sha256 = proposals.proposal_of(connection, 1, proposal).payload_sha256
    proposals.reject(world.core, world.sessions["adam"], proposal, sha256)
    assert deciding.decide_order(world.desk, no.order_id).state == "rejected"


def test_own_money_that_nobody_approved_is_named_by_the_notary(world):
    with world.core.connection() as connection:
        numbers = [account(connection, 1, name).account for name in (BANK, OWN)]
    line = Line(Kind.TRANSFER, world.core.new_id(), *numbers, 70_00, order_id=world.new_id(), code=Purpose.FUNDING)
    world.core.post(Unit([replace(line, value_date=DAY)]))
    name, facts = alarm(world)
    assert (name, facts["because"]) == ("movement_lacks_approval", "proposal_must_exist")
    assert verdict(rows(world)) == "funding_lacks_its_approvals"


def test_only_a_return_that_matches_exactly_goes_back_by_itself(world):
    """Our own id, the same custodian account, the whole amount; else it is a receipt whose owner people name."""
    placed = placing.place_withdrawal(
        world.desk, world.new_id(), "c1", 50_00, payee_account=PAYEE, by=world.sessions["tina"]
    )
    world.turn()
    back = Advice(
        account_name=BANK,
        key="k",
        amount=50_00,
        booking_date=DAY,
        reversal=False,
        bank_reference="b",
        end_to_end_id=placed.order_id.hex,
        original_reference=None,
        counterparty_name=None,
        remittance=None,
        currency="EUR",
        pool="client",
        ledger_account=1,
    )

    def goes_back(**other: Any) -> bool:
        return settlement._returned_order(world.core, replace(back, **other)) is not None

    assert goes_back()
    assert not goes_back(amount=49_99)
    assert not goes_back(account_name="bank:beta:client")
    assert not goes_back(end_to_end_id=world.new_id().hex)
    assert not goes_back(end_to_end_id=None)


def test_the_forms_and_the_api_propose_a_correction_and_other_rules(database, tmp_path):
    """Who may not, sees no form; what is proposed waits among the approvals."""
    with console_world(database, tmp_path) as console:
        tina, rita, adam = (console.browser(login) for login in ("tina", "rita", "adam"))
        console.world.pay_in("c1", 5_00)
        last = [row for row, _ in rows(console.world) if row.kind == Kind.TRANSFER][-1]
        transfer, order = UUID(bytes=last.id), UUID(bytes=last.order_id)
        assert '<form class="decide"' not in adam.get("/corrections").text
        said = {"transfer": str(transfer), "reason": "to the wrong customer"}
        there = post(tina, "/corrections", said, form="/corrections").headers["location"]
        assert "Proposed; another person has to approve." in tina.get(there).text
        assert there.partition("?")[0] in tina.get("/corrections").text
        assert "maker_may_not_make_this" in post(adam, "/corrections", said, form="/").text
        unknown = said | {"transfer": str(UUID(int=9))}
        assert "corrected_transfer_must_exist" in post(tina, "/corrections", unknown, form="/corrections").text
        token = tina.post("/api/v1/sessions", json={"name": "tina", "password": PASSWORD}).json()["token"]
        api = {"headers": {"Authorization": f"Bearer {token}"}}
        proposed = tina.post("/api/v1/corrections", json=said | {"reason": "twice"}, **api)
        assert len(proposed.json()["sha256"]) == 64
        assert "payee_is_listed" in adam.get("/rule-packs").text
        rules = {"document": packs.shipped().decode() + "\n# stricter\n", "lists": "sample-list"}
        there = post(rita, "/rule-packs", rules, form="/rule-packs").headers["location"]
        assert "Proposed; others have to approve." in rita.get(there).text
        wrong = post(rita, "/rule-packs", rules | {"document": "version = 1"}, form="/rule-packs")
        assert "risk_rules_are_wrong" in wrong.text
        assert f"/corrections?transfer={transfer}" in tina.get(f"/orders/{order}").text
        assert "/corrections?transfer=" not in adam.get(f"/orders/{order}").text
        [waiting] = [each for each in tina_proposals(console, token) if each["facts"].get("reason") == "twice"]
        session = console.world.sessions["adam"]
        proposals.approve(console.world.core, session, UUID(waiting["id"]), bytes.fromhex(waiting["sha256"]))
        corrections.carry_out(console.world.core, UUID(waiting["id"]))
        assert "was taken back by a correction" in tina.get(f"/orders/{order}").text
        listed = console.program("orders:read").get("/api/v1/rule-packs").json()["packs"]
        assert [each["version"] for each in listed] == [1]


def tina_proposals(console, token: str) -> list[dict[str, Any]]:
    asked = console.browser("tina").get("/api/v1/proposals", headers={"Authorization": f"Bearer {token}"})
    return asked.json()["proposals"]
