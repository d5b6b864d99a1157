"""A customer who is a party speaks by a passkey, and database, notary and verifier each see that it was so."""

import json

import pytest

from escrow_world import escrow_world
from origin_world import Person
from ringfence.authority.passkeys.assertions import relying_party
from ringfence.escrow import saying, word
from ringfence.escrow.verification import audit
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line, canonical
from ringfence.ledger.storage import head_of, read_block
from test_banking_origin import refusal_of
from test_verifier_approvals import changed
from verifier_world import imported, rows_of

ESCROW = imported("escrow")


@pytest.fixture
def escrow(database, tmp_path):
    with escrow_world(database, tmp_path) as found:
        yield found


def in_force(escrow, **other):
    """An agreement that people approved."""
    made = escrow.propose(**other)
    escrow.world.approve(made.agreement_id, "adam", "bella")
    escrow.world.turn(1)
    assert escrow.standing(made).state == "in_force"
    return made


def says(ann, found, milestone="delivered", party="buyer", **other):
    """What the page asks the device to sign, with something else in it if a test wants that."""
    core = ann.world.core
    document = saying.draft_milestone(core, ann.session, found.agreement_id, milestone, party)
    told = json.loads(document) | other
    return canonical(told)


def speak(ann, document):
    used = ann.device.assertion(word.challenge_of(document))
    return saying.speak(ann.world.core, ann.session, document, used, ann.rp)


def audited(escrow):
    """Every row, once the notary has asked about them."""
    with escrow.core.connection() as connection:
        audit(connection, escrow.book, read_block(connection, escrow.book, 0, head_of(connection, escrow.book)))
        return rows_of(connection, escrow.book)


def verdict(rows):
    found = ESCROW.Escrow(ESCROW.Approvals())
    try:
        for row, said in rows:
            payload = json.dumps(said).encode()
            found.approvals.add(row, payload)
            found.add(row, payload)
    except ESCROW.Wrong as wrong:
        return wrong.name
    return found.released


def test_a_buyer_says_by_a_passkey_that_it_was_delivered_and_the_money_goes(escrow):
    """
    buyer signs "delivered"   -> the row has the words and the signature; the seller is paid by nobody else's word
    """
    ann = Person(escrow.world).add().enrol()
    found = in_force(escrow)
    done = speak(ann, says(ann, found))
    escrow.world.turn(1)
    assert (escrow.standing(done).tranches[0].state, escrow.balance("c2")[0]) == ("released", 100_00)
    rows = audited(escrow)
    assert verdict(rows) == 1
    [said] = [said for row, said in rows if row.code == EventName.MILESTONE_APPROVED]
    assert (said["by"], said["customer"], said["person"]) == ("customer:ann", "c1", "ann")

    def other(**more):
        return verdict(changed(rows, EventName.MILESTONE_APPROVED, lambda told: told | more))

    assert other(signature="00" * 70) == "approval_is_forged"
    assert other(milestone="cancelled") == "escrow_row_does_not_keep_its_agreement"
    assert other(by="customer:bob") == "escrow_row_does_not_keep_its_agreement"
    assert other(document=said["document"].replace("ann", "bob")) == "escrow_row_does_not_keep_its_agreement"
    unbound = [each for each in rows if each[1].get("customer") != "c1" or each[0].code != EventName.PERSON_CHANGED]
    assert verdict(unbound) == "escrow_row_does_not_keep_its_agreement"


def test_a_customer_speaks_for_nobody_else_and_says_nothing_but_what_was_signed(escrow):
    ann, bob = Person(escrow.world).add().enrol(), Person(escrow.world, login="bob", customer="c3").add()
    found = in_force(escrow)
    core = escrow.core
    assert refusal_of(says, bob, found) == "agreement_must_exist"
    assert refusal_of(says, ann, found, party="judge") == "party_must_be_named"
    assert refusal_of(saying.approve_milestone, core, found.agreement_id, "delivered", "buyer", by=ann.session) == (
        "party_must_sign"
    )
    for change in (
        {"agreement_sha256": "0" * 64}, {"customer": "c2"}, {"person": "bob"}, {"event": 1173}, {"tag": "x"},
        {"nonce": "short"}, {"says": {"milestone": "delivered", "party": "buyer", "more": "x"}},
    ):  # fmt: skip
        assert refusal_of(speak, ann, says(ann, found, **change)) == "party_must_sign", change
    seller = {"says": {"milestone": "cancelled", "party": "seller"}}
    assert refusal_of(speak, ann, says(ann, found, **seller)) == "party_must_speak_for_itself"
    document = says(ann, found)
    used = ann.device.assertion(word.challenge_of(says(ann, found)))
    refused = refusal_of(saying.speak, core, ann.session, document, used, ann.rp)
    assert refused == "challenge_does_not_fit"
    away = relying_party("http://elsewhere.example:8400")
    assert refusal_of(saying.speak, core, ann.session, document, used, away) != "party_must_sign"
    assert escrow.standing(found).last_fact == found.proposed


def test_the_notary_names_words_that_nobody_signed(escrow):
    """A taken core journals the customer's word: there is no speaker of the row."""
    found = in_force(escrow)
    said = {"agreement": str(found.agreement_id), "by": "customer:ann", "milestone": "delivered", "party": "buyer"}
    code = EventName.MILESTONE_APPROVED
    line = Line(Kind.EVENT, escrow.core.new_id(), order_id=found.agreement_id, code=code, payload=said)
    escrow.core.post(Unit([line]))
    assert refusal_of(audited, escrow) == "row_contradicts_its_agreement"
