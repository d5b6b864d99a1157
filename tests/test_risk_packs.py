"""Rule packs: by which rules orders are judged is agreed on, and a payment judged by others does not go."""

from dataclasses import replace

import pytest

from custody_world import PAYEE, World, custody_world
from ringfence.authority import proposals, rule_packs
from ringfence.authority.queries import QUERIES
from ringfence.banking import gateway
from ringfence.custody import placing
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused
from ringfence.risk import desk as risk_desk
from ringfence.risk import packs
from ringfence.risk.lists import load_sample
from test_custody_corrections import alarm, refusal_of, rows
from test_verifier_approvals import changed
from test_verifier_origins import without
from test_verifier_requirements import verdict

LISTS = tuple(each.name for each in load_sample())
STRICT = packs.shipped().decode().replace("hours = 24", "hours = 25") + "\n# one more line\n"


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path) as found:
        found.pay_in("c1", 500_00)
        yield found


def propose(world: World, document: str = STRICT, lists: tuple[str, ...] = LISTS, by: str = "rita"):
    return packs.propose(world.core, world.sessions[by], document, lists)


def approve(world: World, made: proposals.Drafted, *who: str) -> None:
    for person in who:
        proposals.approve(world.core, world.sessions[person], made.proposal_id, made.payload_sha256)


def withdraw(world: World, amount: int = 10_00):
    by = world.sessions["tina"]
    return placing.place_withdrawal(world.desk, world.new_id(), "c1", amount, payee_account=PAYEE, by=by)


def in_force(world: World) -> rule_packs.RulePack:
    with world.core.connection() as connection:
        return rule_packs.pack_in_force(connection, 1, world.now)


def test_a_book_is_founded_with_the_shipped_rules_and_gets_others_by_people(world):
    """Two of three approve; the next order is judged by the new rules, and everybody finds that right."""
    first = in_force(world)
    assert (first.version, first.document, first.lists) == (1, packs.shipped(), LISTS)
    assert packs.founded(world.core, []).version == 1
    made = propose(world)
    assert refusal_of(approve, world, made, "rita") == "maker_may_not_check"
    approve(world, made, "adam")
    assert rule_packs.change_all(world.core) == 0
    approve(world, made, "bella")
    withdraw(world)
    assert rule_packs.change_all(world.core) == 1
    rule_packs.change(world.core, made.proposal_id)
    assert in_force(world).version == 2
    placed = withdraw(world)  # the desk did not know yet: refused in the append, judged again
    assert world.desk.risk.version == 2
    world.turn()
    said = [said for row, said in rows(world) if row.code == EventName.RISK_DECISION]
    assert [each["rules"]["sha256"] for each in said[-2:]] == [first.sha256, packs.sha256_of(STRICT.encode())]
    assert len(world.bank.balances()) == 1
    assert list(world.bank.balances().values()) == [480_00]
    assert placed.state == "released"
    assert alarm(world) == ("", {})
    true = rows(world)
    assert isinstance(verdict(true), tuple)
    assert verdict(without(true, EventName.PROPOSAL_APPROVED, person="bella")) == "rule_pack_lacks_its_approvals"
    other = changed(true, EventName.RISK_DECISION, lambda said: said | {"rules": {"sha256": first.sha256}}, which=-1)
    assert verdict(other) == "decision_is_by_other_rules"
    assert (
        verdict(changed(true, EventName.RISK_DECISION, lambda said: said | {"lists": []}))
        == "decision_is_by_other_rules"
    )


def test_a_pack_that_cannot_be_read_or_is_overtaken_is_refused(world):
    assert refusal_of(propose, world, "version = 1") == "risk_rules_are_wrong"
    assert refusal_of(propose, world, packs.shipped().decode().replace("score = 100", "score = 0", 1)) == (
        "risk_rules_are_wrong"
    )
    assert refusal_of(propose, world, lists=("two words",)) == "list_has_a_name_of_one_word"
    assert refusal_of(propose, world, by="adam") == "maker_may_not_make_this"
    one, two = propose(world), propose(world, packs.shipped().decode() + "\n# another\n")
    for made in (one, two):
        approve(world, made, "adam", "bella")
    rule_packs.change(world.core, one.proposal_id)
    assert refusal_of(rule_packs.change, world.core, two.proposal_id) == "rule_pack_version_must_be_next"
    assert rule_packs.change_all(world.core) == 0


def test_a_list_that_the_pack_wants_has_to_be_there(world):
    made = propose(world, lists=(*LISTS, "un-consolidated"))
    approve(world, made, "adam", "bella")
    rule_packs.change(world.core, made.proposal_id)
    with pytest.raises(Refused, match="list_of_the_rules_is_missing"):
        withdraw(world)


def test_a_core_that_was_taken_puts_no_rules_in_force_and_pays_nothing_by_others(world):
    """It founds nothing twice, changes nothing alone, and what it judged by rules of its own stays where it is."""
    forged = {"version": 2, "sha256": packs.sha256_of(b"x"), "lists": []}
    event = Line(Kind.EVENT, world.new_id(), code=EventName.RULE_PACK_SET, payload=forged)
    founded = (QUERIES.found_rule_pack, {"book": 1, "event": event.id, "document": b"x", "lists": []})
    assert refusal_of(world.core.post, Unit([event], [founded])) == "rule_pack_version_must_be_next"
    made = propose(world)
    assert refusal_of(rule_packs.change, world.core, made.proposal_id) == "proposal_is_not_complete"
    lax = replace(world.desk.risk.rules, sha256=packs.sha256_of(b"x"))
    world.desk.risk.put(lax, world.desk.risk.features, 1)
    assert refusal_of(withdraw, world) == "rules_changed_meanwhile"
    forged_withdrawal(world)
    name, facts = alarm(world)
    assert (name, facts.get("because")) == (
        "row_says_what_nobody_did",
        "risk decided by other rules than those in force",
    )
    before = list(world.bank.balances().values())
    gateway.turn(world.gateway)
    world.bank.serve_once(world.now)
    assert list(world.bank.balances().values()) == before


def forged_withdrawal(world: World):
    """A withdrawal by other rules, whose append does not ask the database about them."""
    asked = placing.judged
    placing.judged = lambda *_: (QUERIES.money_moved, {"book": 1})  # type: ignore[assignment]
    try:
        return withdraw(world)
    finally:
        placing.judged = asked


def test_a_pack_in_the_journal_that_no_table_knows_is_named(world):
    said = {"version": 2, "sha256": "0" * 64, "lists": [], "effective_from": world.now.isoformat()}
    world.core.post(Unit([Line(Kind.EVENT, world.new_id(), code=EventName.RULE_PACK_SET, payload=said)]))
    name, facts = alarm(world)
    assert (name, facts["because"]) == ("row_says_what_nobody_did", "no table knows of it")
    assert verdict(rows(world)) == "rule_pack_lacks_its_approvals"


def test_the_desk_reads_its_features_anew_for_other_rules(world):
    made = propose(world)
    approve(world, made, "adam", "bella")
    rule_packs.change(world.core, made.proposal_id)
    before = world.desk.risk.features
    assert risk_desk.renew(world.desk.risk, world.core)
    assert world.desk.risk.features is not before
    assert not risk_desk.renew(world.desk.risk, world.core)
