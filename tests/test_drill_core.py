"""Drill: the core is lost. Somebody has its database role with plain SQL, its keys and everything in its memory.

He forges, one after the other, all that a payment rests on. After each attempt notary and gateway do what they do; in
the end the folder to the bank is empty, and the notary has named the first row that says what nobody did. The program
that would have refused earlier is passed by everywhere: what holds here is PostgreSQL, the gateway and the notary.
"""

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custody_world import DAY, PAYEE, custody_world
from drill import (
    POOL,
    TakenCore,
    alarm,
    allowed,
    event,
    everybody_acts,
    hold,
    instruction,
    ordered,
    sent,
    sha256,
    withheld,
)
from origin_world import Shop, withdrawal
from policies import unsigned_toml
from ringfence.authority.policy import read_toml
from ringfence.banking.instruction import parse_instruction
from ringfence.custody import placing
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.model import Kind, canonical
from ringfence.ledger.standing import Limits
from ringfence.vault.fields import ORIGIN, PAYMENT
from ringfence.vault.keeping import owner

LARGE = "20000.00"  # above what the policy lets leave without people
ORDER = UUID(int=0xBAD, version=4)
SECOND = UUID(int=0xBAE, version=4)


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path, policy=read_toml(unsigned_toml())) as found:
        found.pay_in("c1", 60_000_00)
        yield found


@pytest.fixture
def core(world, database):
    return TakenCore(world, database)


def about(core, act):
    """The proposal of the order, and the hash of its bytes."""
    proposal = derived(ORDER, f"proposal {act}")
    return proposal, core.ask("SELECT payload_sha256 FROM authority.proposal WHERE proposal_id = %s", proposal)


def nothing_left(world):
    everybody_acts(world)
    assert sent(world) == []
    assert list(world.bank.balances().values()) == [60_000_00]


def test_an_order_that_is_forged_whole_is_named_by_the_notary_and_not_paid(world, core):
    """
    a row in the outbox, and bytes in the vault       -> payment_is_not_in_the_journal
    order, hold, decision of risk, PAYMENT_ORDERED    -> in the journal, as the core can write them all
    notary                                            -> names PAYMENT_ORDERED: nobody approved it; signs nothing of it
    gateway                                           -> proposal_must_exist
    """
    said = instruction(LARGE, ORDER)
    core.order_payment(said)
    nothing_left(world)
    assert withheld(world) == {"payment_is_not_in_the_journal"}
    first = core.append(
        event(EventName.ORDER_STATE, {"order": str(ORDER), "state": "released"}, order=ORDER), hold(core, said),
        allowed(said), ordered(said),
    )  # fmt: skip
    nothing_left(world)
    assert withheld(world) == {"payment_is_not_in_the_journal", "payment_lacks_its_origin"}
    assert alarm(world) == ("row_says_what_nobody_did", first + 3)
    assert world.notary.checkpoint.size <= first


def test_a_forged_proposal_with_forged_approvals_is_named_at_its_first_row(world, core):
    said, proposal = instruction(LARGE, ORDER), str(derived(ORDER, "proposal payout"))
    core.order_payment(said)
    told = {"proposal": proposal, "act": "payout", "sha256": "00" * 32, "maker": "tina", "people": 2}
    yes = {"proposal": proposal, "sha256": "00" * 32}
    first = core.append(
        event(EventName.PROPOSAL_MADE, told | {"roles": ["approver"], "policy_version": 1}),
        event(EventName.PROPOSAL_APPROVED, yes | {"person": "adam", "count": 1}),
        event(EventName.PROPOSAL_APPROVED, yes | {"person": "bella", "count": 2}),
        hold(core, said), allowed(said), ordered(said),
    )  # fmt: skip
    nothing_left(world)
    assert withheld(world) == {"payment_lacks_its_origin"}
    assert alarm(world) == ("row_says_what_nobody_did", first)


def test_no_approval_comes_about_without_the_person(world, core):
    """A real order of 20,000.00 waits for people. The core tries to be them: by INSERT, by a token that nobody has, by
    a session that it opens without a password, and by a token's hash, which it may not read.
    """
    placing.place_withdrawal(world.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=world.sessions["tina"])
    proposal, digest = about(core, "payout")
    yes = {"proposal": str(proposal), "person": "adam", "sha256": digest.hex(), "count": 1}
    decide = "SELECT authority.decide(1, %s, %s, %s, %s, 'approve', '', NULL, NULL, NULL, NULL)"
    columns = "book_id, proposal_id, person_id, payload_sha256, decided, reason, at, sequence"
    values = "1, %s, 'adam', %s, 'approve', '', now(), 1"
    insert = f"INSERT INTO authority.approval ({columns}) VALUES ({values})"
    assert core.refused(insert, proposal, digest) == "42501"
    assert core.refused("UPDATE authority.proposal SET state = 'complete'") == "42501"
    assert core.refused("SELECT token_sha256 FROM authority.session") == "42501"
    assert core.refused(decide, uuid4(), sha256("a token"), proposal, digest) == "event_must_say_what_happens"
    for token in (None, sha256("a token"), b""):
        said = event(EventName.PROPOSAL_APPROVED, yes)
        with pytest.raises(Exception, match="session is not valid"):
            core.append(said, also=(decide, (said["id"], token, proposal, digest)))
    opened = event(EventName.SIGNED_IN, {"person": "adam", "session": str(uuid4()), "by": "password"})
    with pytest.raises(Exception, match="session is not valid"):
        core.append(
            opened,
            also=(
                "SELECT authority.open_session(1, %s, 'adam', '', '', %s, %s)",
                (opened["id"], uuid4(), sha256("mine")),
            ),
        )
    said = instruction(LARGE, ORDER)
    core.sql.execute("INSERT INTO banking.payment_order VALUES (1, %s, %s, %s)", (ORDER, POOL, world.now))
    core.exchange_bytes(ORDER, said.canonical())
    first = core.append(ordered(said))
    nothing_left(world)
    assert withheld(world) == {"approvals_do_not_suffice"}
    assert alarm(world) == ("row_says_what_nobody_did", first)


def test_stolen_sessions_of_approvers_sign_nothing(database, tmp_path):
    """The tokens of everybody who is signed in were in the core's memory. Where the policy wants approvals signed, a
    token opens pages and approves nothing: that takes the person's passkey, over these bytes.
    """
    one, signed = (
        '"5000000", people = 1, roles = ["approver"] }',
        '"5000000", people = 1, roles = ["approver"], signed = true }',
    )
    assert one in unsigned_toml()
    policy = read_toml(unsigned_toml().replace(one, signed))
    with custody_world(database, tmp_path, policy=policy) as world:
        world.pay_in("c1", 60_000_00)
        core = TakenCore(world, database)
        placing.place_withdrawal(world.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=world.sessions["tina"])
        proposal, digest = about(core, "payout")
        for person in ("adam", "bella"):
            yes = event(
                EventName.PROPOSAL_APPROVED,
                {"proposal": str(proposal), "person": person, "sha256": digest.hex(), "count": 1},
            )
            with pytest.raises(Exception, match="approval must be signed"):
                core.append(yes, also=(
                    "SELECT authority.decide(1, %s, %s, %s, %s, 'approve', '', NULL, NULL, NULL, NULL)",
                    (yes["id"], world.sessions[person].token_sha256, proposal, digest),
                ))  # fmt: skip
        nothing_left(world)


def test_a_transfer_that_breaks_a_rule_is_named_and_one_by_hand_does_not_come_in(world, core):
    """c1 is overdrawn in favour of c2. The database lets in whatever was promised; the notary replays it."""
    row = (
        "INSERT INTO ledger.journal_0 (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, code,"
    )
    row += " value_date, posted_at) VALUES (1, 9999, 1, 0, gen_random_uuid(), 1, 2, 5, 0, now(), now())"
    assert core.refused(row) == "RF002"
    assert core.refused("UPDATE ledger.entry SET balance = 1000000") == "42501"
    assert core.refused("UPDATE ledger.journal SET amount = 1") == "42501"
    one, other = core.account("customer:c1:available"), core.account("customer:c2:available")
    first = core.append(
        {"kind": int(Kind.TRANSFER), "id": uuid4(), "debit_account": one, "credit_account": other, "amount": 90_000_00}
    )
    nothing_left(world)
    assert alarm(world) == ("row_breaks_rule", first)


def test_a_forged_policy_is_nobodys(world, core):
    """A policy under which nobody is asked: as a first one, by a proposal of nobody, and as a mere event."""
    lenient = unsigned_toml().replace(
        '"5000000", people = 1, roles = ["approver"]', '"900000000", people = 0, roles = []'
    )
    document = read_toml(lenient).document
    said = {"version": 2, "sha256": read_toml(lenient).sha256.hex()}
    assert (
        core.refused("INSERT INTO authority.policy VALUES (1, 2, now(), %s, sha256(%s), 1)", document, document)
        == "42501"
    )
    for call, version in (("authority.found_policy(1, %s, %s)", 1), ("authority.found_policy(1, %s, %s)", 2)):
        line = event(EventName.POLICY_SET, said | {"version": version})
        with pytest.raises(Exception, match="policy version must be next"):
            core.append(line, also=(f"SELECT {call}", (line["id"], document)))
    line = event(EventName.POLICY_SET, said)
    with pytest.raises(Exception, match="proposal must exist"):
        core.append(line, also=("SELECT authority.change_policy(1, %s, %s)", (line["id"], uuid4())))
    payment = instruction(LARGE, ORDER)
    core.order_payment(payment)
    first = core.append(event(EventName.POLICY_SET, said), hold(core, payment), allowed(payment), ordered(payment))
    nothing_left(world)
    assert withheld(world) == {"payment_lacks_its_origin"}
    assert alarm(world) == ("row_says_what_nobody_did", first)


def test_a_forged_limit_stops_the_notary_and_with_it_every_payment(world, core):
    """c1 may be overdrawn from now on, says a row that no two people approved. Nothing after it is signed: not even a
    payment that everybody wanted.
    """
    number = core.account("customer:c1:available")
    assert core.refused("UPDATE ledger.account SET minimum = -100000000") == "42501"
    line = Limits(number, -90_000_00, None, uuid4()).line(uuid4(), DAY)
    first = core.append(
        {"kind": int(line.kind), "id": line.id, "debit_account": number, "order_id": line.order_id,
         "payload": canonical(line.payload)}
    )  # fmt: skip
    placing.place_withdrawal(world.desk, ORDER, "c1", 100_00, payee_account=PAYEE, by=world.sessions["tina"])
    nothing_left(world)
    assert alarm(world) == ("row_lacks_authorisation", first)


def test_a_person_a_role_a_key_and_the_word_of_bank_and_notary_are_not_the_cores_to_give(world, core):
    """Founders come once; a person, a password or a key comes by a proposal that others approved."""
    secret = '{"salt": "00", "verifier": "00", "memory_kib": 64, "passes": 1, "lanes": 1, "must_change": false}'
    line = event(EventName.PERSON_CHANGED, {"person": "eve", "change": "founded", "roles": ["approver"]})
    with pytest.raises(Exception, match="book has its people already"):
        core.append(line, also=(
            "SELECT authority.found_person(1, %s, 'eve', 'Eve', ARRAY['approver'], %s)", (line["id"], secret),
        ))  # fmt: skip
    for call in ("change_person(1, %s, %s)", "enrol_passkey(1, %s, %s)", "change_policy(1, %s, %s)"):
        code = {"c": EventName.PERSON_CHANGED, "e": EventName.PASSKEY_ENROLLED}[call[0]]
        code = EventName.POLICY_SET if "policy" in call else code
        line = event(code, {"person": "eve", "change": "changed", "roles": ["approver"]})
        with pytest.raises(Exception, match="proposal must exist"):
            core.append(line, also=(f"SELECT authority.{call}", (line["id"], uuid4())))
    for table in ("person", "person_role", "password", "passkey", "session", "client"):
        assert core.refused(f"INSERT INTO authority.{table} DEFAULT VALUES") == "42501"
    for table in ("submission", "payment_status", "statement", "entry", "advice", "file", "withheld"):
        assert core.refused(f"INSERT INTO banking.{table} DEFAULT VALUES") == "42501"
    for table in ("checkpoint", "alarm"):
        assert core.refused(f"INSERT INTO evidence.{table} DEFAULT VALUES") == "42501"
    for role in ("gateway", "notary", "owner"):
        assert core.refused(f"SET ROLE ringfence_{role}") == "42501"
    for table in ("custody.payee", "authority.origin"):
        assert core.refused(f"INSERT INTO {table} DEFAULT VALUES") == "42501"
    line = event(EventName.PAYEE_ADDED, {"customer": "c1", "payee": str(uuid4()), "proposal": str(uuid4())})
    with pytest.raises(Exception, match="proposal must exist"):
        core.append(line, also=("SELECT custody.add_payee(1, %s, %s)", (line["id"], uuid4())))
    first = core.append(event(EventName.PASSKEY_ENROLLED, {"person": "adam", "credential": "00"}))
    nothing_left(world)
    assert alarm(world) == ("row_says_what_nobody_did", first)


def test_another_payee_for_what_people_approved_is_not_paid(world, core):
    """The order is real and approved; the core exchanges the payee in the bytes, and orders those."""
    placing.place_withdrawal(world.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=world.sessions["tina"])
    world.approve(ORDER, "adam", "bella")
    approved = parse_instruction(world.desk.vault.open(PAYMENT, str(ORDER)).encode())
    changed = replace(approved, creditor_account="NL91ABNA0417164300")
    core.exchange_bytes(ORDER, changed.canonical())
    core.sql.execute("INSERT INTO banking.payment_order VALUES (1, %s, %s, %s)", (ORDER, POOL, world.now))
    first = core.append(ordered(changed))
    nothing_left(world)
    assert withheld(world) == {"approved_something_else"}
    assert alarm(world) == ("row_says_what_nobody_did", first)


def test_a_small_payment_that_nobody_asked_for_is_not_made(world, core):
    """500.00, below the limit from which people have to agree: order, hold, decision and event, all forged. Once
    without saying who asked, and once with a program's key and a signature of his own.
    """
    shop = Shop(world).add()
    said = instruction("500.00", ORDER)
    core.order_payment(said)
    first = core.append(hold(core, said), allowed(said), ordered(said))
    nothing_left(world)
    assert withheld(world) == {"payment_lacks_its_origin"}
    assert alarm(world) == ("row_says_what_nobody_did", first + 2)
    other = instruction("500.00", SECOND)
    body = withdrawal(SECOND, "500.00") | {"payee_account": other.creditor_account}
    own = Shop(world, key=Ed25519PrivateKey.generate(), key_id=shop.key_id).signed("/api/v1/withdrawals", body)
    told = {"order": str(SECOND), "asked_by": "program", "client": "shop", "key": shop.key_id}
    told |= {"base": own.base.decode("latin-1"), "signature": own.signature.hex()}
    core.sql.execute(*world.desk.vault.keep(owner("c1"), ORIGIN, str(SECOND), own.content.decode()))
    core.order_payment(other)
    core.append(
        hold(core, other), allowed(other), event(EventName.ORIGIN_STATED, told, derived(SECOND, "origin"), SECOND),
        ordered(other),
    )  # fmt: skip
    nothing_left(world)
    assert withheld(world) == {"payment_lacks_its_origin"}


def test_after_all_that_an_honest_payment_of_another_day_still_leaves(world):
    """The other side of every drill here: with nothing forged, the same gateway pays."""
    placing.place_withdrawal(world.desk, ORDER, "c1", 20_000_00, payee_account=PAYEE, by=world.sessions["tina"])
    world.approve(ORDER, "adam", "bella")
    world.turn()
    assert alarm(world) is None
    assert list(world.bank.balances().values()) == [40_000_00]
