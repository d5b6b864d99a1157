"""Drill: an administrator goes bad. He holds two sessions, a security administrator's and a system administrator's.

He may add people, give roles, make programs' tokens and enrol keys, and each of these deeds is honest in form. What he
wants is a payment of 20,000.00 to himself; what he gets is a record of his attempts.
"""

import random
from typing import Any
from uuid import UUID

import pytest

from authority_world import LOCALHOST, Device, device_at
from custody_world import CHEAP, PASSWORD, PAYEE, World, custody_world
from drill import THIEF, alarm, everybody_acts, sent
from origin_world import Shop
from policies import unsigned_toml
from ringfence.authority import clients, people, policies, proposals, sessions, signing
from ringfence.authority.passkeys import keys
from ringfence.authority.passkeys.assertions import approval_challenge
from ringfence.authority.policy import default_toml, read_toml
from ringfence.custody import deciding, placing
from ringfence.custody.payees import register as payees
from ringfence.refusal import Refused

ORDER = UUID(int=0xBAD, version=4)


@pytest.fixture
def world(database, tmp_path):
    """Honest people took Ken in as system administrator: Sara proposed it, and Rita, who knew him, agreed."""
    with custody_world(database, tmp_path, policy=read_toml(unsigned_toml())) as found:
        found.pay_in("c1", 60_000_00)
        made = people.propose_person(
            found.core, found.sessions["sara"], "ken", "Ken", ["system_admin"], new_password=True, cost=CHEAP
        )
        yes(found, "rita", made.drafted)
        people.change_person(found.core, made.drafted.proposal_id)
        found.sessions["ken"] = sessions.sign_in(found.core, "ken", made.one_time_password).session
        people.change_password(found.core, found.sessions["ken"], made.one_time_password, PASSWORD, cost=CHEAP)
        yield found


def yes(world, who, drafted):
    return proposals.approve(world.core, world.sessions[who], drafted.proposal_id, drafted.payload_sha256)


def refusal(call, *arguments, **named):
    with pytest.raises(Refused) as no:
        call(*arguments, **named)
    return no.value.name


def nothing_left(world):
    everybody_acts(world)
    assert sent(world) == []
    assert list(world.bank.balances().values()) == [60_000_00]
    assert alarm(world) is None, "he forged nothing"


def test_people_whom_he_makes_up_are_not_taken_in_by_him_alone(world):
    """Two administrators of his propose and agree: somebody who is no administrator has to. Nor does he become somebody
    who is there by a new password: it is in his hands, and opens nothing until somebody else agrees. A role that
    approves beside the one that he has is a conflict.
    """
    wanted = [("eve", role) for role in ("approver", "treasurer", "risk_officer", "system_admin", "security_admin")]
    for person, role in [*wanted, ("adam", "approver"), ("tina", "treasurer"), ("rita", "risk_officer")]:
        made = people.propose_person(
            world.core, world.sessions["sara"], person, person.title(), [role], new_password=True, cost=CHEAP
        )
        assert refusal(yes, world, "ken", made.drafted) == "person_lacks_the_role"
        assert refusal(yes, world, "sara", made.drafted) == "maker_may_not_check"
        assert refusal(people.change_person, world.core, made.drafted.proposal_id) == "proposal_is_not_complete"
        with pytest.raises(Refused):
            sessions.sign_in(world.core, person, made.one_time_password)
    for person, roles in (("ken", ["system_admin", "approver"]), ("sara", ["approver", "security_admin"])):
        said = refusal(
            people.propose_person, world.core, world.sessions["sara"], person, person, roles, new_password=False
        )
        assert said == "roles_conflict"
    made = people.propose_person(world.core, world.sessions["sara"], "ken", "Ken", ["approver"], new_password=False)
    assert refusal(yes, world, "ken", made.drafted) == "person_lacks_the_role"
    nothing_left(world)


def test_neither_his_policy_nor_his_hand_pays_what_people_have_to_approve(world):
    """
    a policy under which nobody is asked    -> two people who are not its maker; he is one of them
    a payment that he makes, or approves    -> neither role may
    an account of his own as a payee        -> neither may propose it
    """
    lenient = unsigned_toml().replace(
        '"5000000", people = 1, roles = ["approver"]', '"900000000", people = 0, roles = []'
    )
    made = policies.propose_policy(world.core, world.sessions["sara"], read_toml(lenient), world.now)
    assert not yes(world, "ken", made).complete
    assert refusal(yes, world, "sara", made) == "maker_may_not_check"
    assert refusal(policies.change_policy, world.core, made.proposal_id) == "proposal_is_not_complete"
    for who, account, no in (
        ("sara", PAYEE, "maker_may_not_make_this"),
        ("ken", PAYEE, "maker_may_not_make_this"),
        ("sara", THIEF, "payee_must_be_the_customers"),
    ):
        said = refusal(
            placing.place_withdrawal, world.desk, UUID(int=7, version=4), "c1", 20_000_00, payee_account=account,
            by=world.sessions[who],
        )  # fmt: skip
        assert said == no
    for who in ("sara", "ken"):
        vault, payee = world.desk.vault, UUID(int=8, version=4)
        said = refusal(payees.propose, world.core, vault, payee, "c1", THIEF, by=world.sessions[who])
        assert said == "maker_may_not_make_this"
    placing.place_withdrawal(world.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=world.sessions["tina"])
    with world.core.connection() as connection:
        about = proposals.proposals_of_order(connection, 1, ORDER)
    for who in ("sara", "ken"):
        for each in about:
            said = refusal(proposals.approve, world.core, world.sessions[who], each.proposal_id, each.payload_sha256)
            assert said == "person_lacks_the_role"
    assert deciding.decide_all(world.desk) == 0
    nothing_left(world)


def test_a_program_of_his_own_orders_nothing_of_any_amount(world):
    """He makes a program alone, with a token and a key. A token asks for no payment; nor does a key that he admits with
    his other session, because somebody who is no administrator has to agree.
    """
    shop = Shop(world, name="payroll").add(admitted=False)
    token = clients.add_client(world.core, world.sessions["sara"], "other", ["orders:read", "orders:write"]).token
    program = clients.client_of(world.core, token)
    for amount in (500_00, 20_000_00):
        for account, no in ((PAYEE, "order_must_say_who_asked"), (THIEF, "payee_must_be_the_customers")):
            said = refusal(placing.place_withdrawal, world.desk, ORDER, "c1", amount, payee_account=account, by=program)
            assert said == no
    made = signing.propose_admission(world.core, world.sessions["sara"], "payroll", shop.fingerprint)
    assert refusal(yes, world, "ken", made) == "person_lacks_the_role"
    assert refusal(signing.admit, world.core, made.proposal_id) == "proposal_is_not_complete"
    assert refusal(shop.withdraws, ORDER, "500.00", payee_account=PAYEE) == "program_key_is_not_admitted"
    assert refusal(shop.withdraws, ORDER, "500.00", payee_account=THIEF) == "payee_must_be_the_customers"
    nothing_left(world)


def test_those_whom_he_shuts_out_approve_nothing_and_he_does_not_either(world):
    """He may take everybody's rights away at once, alone: payments stop, and none leaves."""
    placing.place_withdrawal(world.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=world.sessions["tina"])
    for person in ("adam", "bella", "rita", "tina"):
        people.deactivate(world.core, world.sessions["sara"], person)
    assert refusal(world.approve, ORDER, "adam") == "session_is_not_valid"
    nothing_left(world)


DICE = random.Random(11)


def enrols(world: World, person: str) -> Device:
    """A passkey of somebody, approved by the security administrator; that takes no passkey."""
    device = device_at(LOCALHOST.origin, DICE.randbytes)
    challenge = keys.new_challenge(world.core)
    found = device.registration(challenge)
    made = keys.propose_key(world.core, world.sessions[person], "a device", found, challenge, LOCALHOST)
    proposals.approve(world.core, world.sessions["sara"], made.proposal_id, made.payload_sha256)
    keys.enrol(world.core, made.proposal_id)
    return device


def test_stolen_passwords_pay_nothing_and_the_keys_of_the_founding_do(database, tmp_path):
    """The policy that comes along: with the sessions of every approver nothing is approved; a key that the thief enrols
    now waits a day; the two keys of the founding let the payment go, and gateway, notary and bank agree.
    """
    with custody_world(database, tmp_path, policy=read_toml(default_toml())) as world:
        devices = {person: enrols(world, person) for person in ("adam", "bella")}
        world.pay_in("c1", 30_000_00)
        placed = placing.place_withdrawal(
            world.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=world.sessions["tina"]
        )
        with world.core.connection() as connection:
            asked = proposals.proposals_of_order(connection, 1, placed.order_id)
        assert [each.act for each in asked] == ["hold_release", "payout"]
        thiefs = enrols(world, "rita")
        for each in asked:
            for person in ("adam", "bella"):
                assert refused(world, person, each, None) == "approval_must_be_signed"
        challenge = approval_challenge(asked[0].payload)
        assert refused(world, "rita", asked[0], thiefs.assertion(challenge)) == "passkey_must_wait"
        world.turn()
        assert list(world.bank.balances().values()) == [30_000_00]
        for each in asked:
            for person, device in devices.items():
                signed = device.assertion(approval_challenge(each.payload))
                if not refused(world, person, each, signed) and each.act == "payout":
                    break
        world.turn()
        assert list(world.bank.balances().values()) == [10_000_00]


def refused(world: World, person: str, asked: proposals.Proposal, assertion: Any) -> str:
    """The name of the refusal of an approval; nothing if it counts."""
    session = world.sessions[person]
    try:
        proposals.approve(world.core, session, asked.proposal_id, asked.payload_sha256, assertion=assertion)
    except Refused as no:
        return no.name
    return ""
