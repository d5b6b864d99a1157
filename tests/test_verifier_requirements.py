"""The stranger's look at whom proposals asked and whom money went to: a true book holds, a changed one does not."""

import hashlib
import json
from typing import Any

import pytest

from custody_world import PAYEE, custody_world, number, policy_of_any_origin
from ringfence.authority import proposals
from ringfence.banking.payee import payee_proposal
from ringfence.custody import placing
from ringfence.custody.payees import register
from ringfence.ledger.codes import EventName
from test_verifier_approvals import changed
from test_verifier_origins import without
from verifier_world import imported, rows_of

OTHER = number("NL", "EXAM0000000042").text
# From 17:10 in Shanghai on, ten minutes after the world begins, a payout needs one person.
NIGHT = """
[[acts.payout.when]]
zone = "Asia/Shanghai"
from = "17:10"
until = "17:40"
more_people = 1
roles = ["approver"]
signed = false
"""


REQUIREMENTS = imported("requirements")


def withdraw(world, amount, account=PAYEE):
    by, identity = world.sessions["tina"], world.new_id()
    return placing.place_withdrawal(world.desk, identity, "c1", amount, payee_account=account, by=by)


@pytest.fixture
def rows(database, tmp_path) -> list[tuple[Any, dict[str, Any]]]:
    """Paid by day at once and by night after an approval; to a new payee a little, and more when it is old enough."""
    with custody_world(database, tmp_path, policy=policy_of_any_origin(NIGHT)) as world:
        world.pay_in("c1", 30_000_00)
        withdraw(world, 100_00)
        found = register.propose(world.core, world.desk.vault, world.new_id(), "c1", OTHER, by=world.sessions["tina"])
        with world.core.connection() as connection:
            about = proposals.proposal_of(connection, 1, payee_proposal(found.payee_id))
        proposals.approve(world.core, world.sessions["adam"], about.proposal_id, about.payload_sha256)
        world.turn()
        withdraw(world, 900_00, OTHER)
        assert withdraw(world, 200_00, OTHER).state == "cooling_off"
        world.wait(minutes=15)
        night = withdraw(world, 100_00)
        assert night.state == "awaiting_approval"
        world.approve(night.order_id, "bella")
        world.wait(days=1, hours=1)
        world.turn()
        with world.core.connection() as connection:
            return rows_of(connection)


def verdict(rows) -> Any:
    """The name of what is wrong, or how many proposals, payments and payees there are, and how many waited."""
    found = REQUIREMENTS.Requirements()
    try:
        for row, said in rows:
            found.add(row, json.dumps(said).encode())
    except REQUIREMENTS.Wrong as wrong:
        return wrong.name
    return len(found.proposals), found.payments, len(found.payees), found.waited


def policy(rows, change):
    """The rows under another policy, which says so with its own hash."""

    def other(said):
        document = json.loads(said["document"])
        change(document)
        text = json.dumps(document, ensure_ascii=False)
        return said | {"document": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}

    return changed(rows, EventName.POLICY_SET, other)


def test_whom_the_policy_asks_is_found_again_from_the_rows_alone(rows):
    assert verdict(rows) == (2, 4, 4, 1)
    assert verdict(changed(rows, EventName.POLICY_SET, lambda said: said | {"sha256": "0" * 64})) == "policy_is_another"
    fewer = changed(rows, EventName.PROPOSAL_MADE, lambda said: said | {"people": 2}, which=-1)
    assert verdict(fewer) == "proposal_asks_for_others"
    signed = changed(rows, EventName.PROPOSAL_MADE, lambda said: said | {"signed": True}, which=-1)
    assert verdict(signed) == "proposal_asks_for_others"
    no_night = policy(rows, lambda said: said["acts"]["payout"].pop("when"))
    assert verdict(no_night) == "proposal_asks_for_others"
    always = policy(rows, lambda said: said["acts"]["payout"]["when"][0].update({"from": "00:00", "until": "23:59"}))
    assert verdict(always) == "payment_lacks_its_approvals"
    assert verdict(without(rows, EventName.PROPOSAL_APPROVED, person="bella")) == "payment_lacks_its_approvals"
    uneasy = changed(rows, EventName.RISK_DECISION, lambda said: said | {"outcome": "hold"}, which=-1)
    assert verdict(uneasy) == "payment_lacks_its_approvals"
    malformed = changed(rows, EventName.ORDER_STATE, lambda said: said | {"amount": 7})
    assert verdict(malformed) == "requirement_is_malformed"


def test_money_that_went_elsewhere_or_too_early_is_named(rows):
    def payee(place, **other):
        return changed(rows, EventName.PAYEE_ADDED, lambda said: said | other, which=place)

    assert verdict(without(rows, EventName.PROPOSAL_APPROVED, person="adam")) == "payee_lacks_approval"
    assert verdict(payee(-1, proposal=None)) == "payee_lacks_approval"
    assert verdict(payee(-1, account="f" * 32)) == "payment_lacks_its_payee"
    assert verdict(payee(-1, customer="c2")) == "payment_lacks_its_payee"
    stricter = policy(rows, lambda said: said["cooling_off"]["currencies"]["EUR"].update(wait_hours=71))
    assert verdict(stricter) == "payee_was_too_new"
    strict = policy(rows, lambda said: said["cooling_off"]["currencies"]["EUR"].update(above_minor="89999"))
    assert verdict(strict) == "payee_was_too_new"
    lax = policy(rows, lambda said: said.pop("cooling_off"))
    assert verdict(lax) == (2, 4, 4, 0)
    [added] = [each for each in rows if each[0].code == EventName.PAYEE_ADDED and each[1]["proposal"]]
    gone = {"payee": added[1]["payee"], "customer": "c1", "by": "rita"}
    place = rows.index(added)
    removed = (added[0]._replace(code=EventName.PAYEE_REMOVED), gone)
    assert verdict([*rows[: place + 1], removed, *rows[place + 1 :]]) == "payment_lacks_its_payee"
