"""Who asked for it: the gateway pays only what a program signed for, or staff proposed and others approved.

The core is lost again, as in test_banking_clearance, and the amounts are below the limit from which people are asked.
"""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from custody_world import DAY, PASSWORD, PAYEE, authorised_standing_alone, custody_world
from origin_world import Shop, withdrawal
from policies import unsigned_toml
from ringfence.authority import clients, proposals, sessions, signing
from ringfence.authority.origin.stating import WORD
from ringfence.authority.policy import policy_in_force, read_toml
from ringfence.banking import gateway
from ringfence.banking.payee import registered_payee
from ringfence.banking.queries import QUERIES as BANKING
from ringfence.custody import placing
from ringfence.custody.orders import payment_event
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.money import currency
from ringfence.refusal import Refused
from ringfence.vault.fields import ORIGIN
from ringfence.vault.keeping import owner
from test_banking_clearance import (
    THIEF,
    forged_decision,
    forged_hold,
    instruction,
    order_payment,
    post,
    reasons,
)

ORDER = UUID(int=0xABE, version=4)


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path, policy=read_toml(unsigned_toml()), asks=authorised_standing_alone) as found:
        found.pay_in("c1", 60_000_00)
        yield found


@pytest.fixture
def shop(world):
    return Shop(world).add()


def refusal_of(operation, *arguments, **named):
    with pytest.raises(Refused) as refused:
        operation(*arguments, **named)
    return refused.value.name


def origin_line(said, signed, client="shop", **other):
    """What a core that was taken can say of somebody's signature."""
    told = {
        "order": str(said.order_id),
        "asked_by": "program",
        "client": client,
        "key": signed.key_id,
        "base": signed.base.decode("latin-1"),
        "signature": signed.signature.hex(),
    }
    event = derived(said.order_id, WORD)
    return Line(Kind.EVENT, event, order_id=said.order_id, code=EventName.ORIGIN_STATED, payload=told | other)


def forge(world, said, *lines, content=None):
    """Everything that the core can write below the limit: order, event, hold, decision, and the given lines."""
    order_payment(world, said)
    if content is not None:
        keep = world.desk.vault.keep(owner("c1"), ORIGIN, str(said.order_id), content)
        with world.core.connection() as connection:
            connection.execute(*keep)
    post(world, payment_event(said.order_id, said.canonical(), DAY), forged_hold(world, said))
    post(world, forged_decision(said), *lines)


def asked(number, amount="500.00"):
    """A withdrawal to the customer's own account, and what a program asks for it."""
    order = UUID(int=0xABE00 + number, version=4)
    said = instruction(amount, order=order, creditor_name="Ann Number 1", creditor_account=PAYEE)
    return said, withdrawal(order, amount)


def forged_by(world, shop, number, *, path="/api/v1/withdrawals", signed=None, before=(), changed=None, **other):
    """A payment by a program's signature that the core states itself; its id."""
    said, request = asked(number)
    signed = signed or shop.signed(path, request)
    payee = registered_payee(world.core.book.book_id, "c1")
    told = {"payee": payee, "payee_salt": world.desk.vault.payee_salt(payee)} | (changed or {})
    said = replace(said, **told)
    forge(world, said, *before, origin_line(said, signed, **other), content=signed.content.decode())
    return said.order_id


def verdicts(world):
    """What the gateway made of each order, once the notary has signed: "sent", or the name of what is missing."""
    world.wait(seconds=1)
    world.notary.step(world.now)
    gateway.turn(world.gateway)
    with world.core.connection() as connection:
        question = {"book": world.core.book.book_id, "limit": 100}
        no = {row[0]: row[1] for row in connection.execute(BANKING.withheld, question)}
        sent = connection.execute(b"SELECT order_id FROM banking.submission").fetchall()
    return no | {row[0]: "sent" for row in sent}


def test_a_payment_that_a_program_signed_for_is_paid(world, shop):
    placed = shop.withdraws(ORDER)
    assert placed.state == "released"
    world.turn()
    with world.core.connection() as connection:
        assert placing.order(connection, world.core.book.book_id, ORDER).state == "settled"


def test_a_forged_payment_below_the_limit_goes_out_only_if_a_program_asked_for_exactly_it(world, shop):
    """The gap of old was the first line: whoever held the core's role could order small payouts.

    The last line is the control: a true signature over exactly this payment, stated by the core itself.
    """
    lacks, else_, no = "payment_lacks_its_origin", "something_else_was_asked_for", "signed_order_is_no_origin"
    alone = Shop(world, name="mine").add(admitted=False)
    reads = Shop(world, name="reads").add(scopes=("orders:read",))
    short = Shop(world, name="short").add(days=1)
    ghost = Shop(world, name="ghost")
    ghost.key_id = signing.key_id_of("demo", "ghost", ghost.key.public_key().public_bytes_raw())
    facts = {"client": "ghost", "key": ghost.key_id, "public_key": ghost.key.public_key().public_bytes_raw().hex()}
    facts |= {"scopes": "orders:write", "expires_at": "2027-01-01T00:00:00+00:00", "proposal": str(UUID(int=9))}
    admitted = Line(Kind.EVENT, UUID(int=0x99), code=EventName.PROGRAM_KEY_ADMITTED, payload=facts)
    expected = {}

    def expect(order, verdict):
        expected[order] = verdict

    nobody, _ = asked(1)
    forge(world, nobody)
    expect(nobody.order_id, lacks)
    expect(forged_by(world, shop, 2, signed=shop.signed("/api/v1/withdrawals", asked(3)[1])), else_)
    expect(forged_by(world, shop, 4, changed={"amount": "500.01"}), else_)
    expect(forged_by(world, shop, 5, changed={"creditor_account": THIEF}), else_)
    expect(forged_by(world, shop, 6, changed={"customer": "c2"}), else_)
    expect(forged_by(world, shop, 7, path="/api/v1/freezes"), no)
    true, other = (shop.signed("/api/v1/withdrawals", asked(8, amount)[1]) for amount in ("5.00", "500.00"))
    expect(forged_by(world, shop, 8, signed=replace(true, content=other.content)), no)
    expect(forged_by(world, Shop(world, key_id=shop.key_id), 9), lacks)
    expect(forged_by(world, ghost, 10, before=(admitted,), client="ghost"), lacks)
    expect(forged_by(world, alone, 11, client="mine"), lacks)
    expect(forged_by(world, reads, 12, client="reads"), lacks)
    flipped = shop.signed("/api/v1/withdrawals", asked(13)[1])
    flipped = replace(flipped, signature=bytes([flipped.signature[0] ^ 1]) + flipped.signature[1:])
    expect(forged_by(world, shop, 13, signed=flipped), lacks)
    expect(forged_by(world, shop, 14, client="mine"), lacks)
    expect(forged_by(world, shop, 15), "sent")
    assert verdicts(world) == expected

    old = shop.signed("/api/v1/withdrawals", asked(16)[1])
    world.clock[0] += timedelta(days=2)
    expect(forged_by(world, shop, 16, signed=old), lacks)
    expect(forged_by(world, short, 17, client="short"), lacks)
    for person in ("sara", "rita"):
        token = sessions.sign_in(world.core, person, PASSWORD).token
        world.sessions[person] = sessions.session_of(world.core, token)
    signing.revoke_key(world.core, world.sessions["sara"], "shop", shop.fingerprint)
    expect(forged_by(world, shop, 18), lacks)
    second = Shop(world, name="second").add()
    clients.revoke_client(world.core, world.sessions["sara"], "second")
    expect(forged_by(world, second, 19, client="second"), lacks)
    assert verdicts(world) == expected


def test_a_key_that_one_administrator_added_alone_asks_for_no_payment(world):
    """A rogue administrator, or a core that has the session of one, adds a program and its key."""
    alone = Shop(world, name="mine").add(admitted=False)
    assert refusal_of(alone.withdraws, ORDER) == "program_key_is_not_admitted"
    made = signing.propose_admission(world.core, world.sessions["sara"], "mine", alone.fingerprint)
    approve = (proposals.approve, world.core, world.sessions["sara"], made.proposal_id, made.payload_sha256)
    assert refusal_of(*approve) == "maker_may_not_check"
    assert refusal_of(signing.admit, world.core, made.proposal_id) == "proposal_is_not_complete"
    alone.admit()
    assert alone.withdraws(ORDER).state == "released"
    again = (signing.propose_admission, world.core, world.sessions["sara"], "mine", alone.fingerprint)
    assert refusal_of(*again) == "program_key_is_admitted_already"


def test_what_staff_orders_is_approved_by_somebody_else_however_small(world):
    tina = world.sessions["tina"]
    placed = placing.place_withdrawal(world.desk, ORDER, "c1", 10_00, payee_account=PAYEE, by=tina)
    assert placed.state == "awaiting_approval"
    world.approve(ORDER, "adam")
    world.turn()
    with world.core.connection() as connection:
        assert placing.order(connection, world.core.book.book_id, ORDER).state == "settled"


def test_a_proposal_of_a_program_that_signed_nothing_is_no_origin(world, shop):
    """The core knows the program's token, proposes a payout in its name, and two people are talked into it."""
    said = instruction("60000.00", order=ORDER, creditor_name="Ann Number 1", creditor_account=PAYEE)
    with world.core.connection() as connection:
        policy = policy_in_force(connection, world.core.book.book_id, world.now)
    by = shop.actor("/api/v1/withdrawals", withdrawal(UUID(int=0xABF, version=4), "1.00"))
    made = proposals.draft(
        world.core,
        policy,
        derived(ORDER, "proposal payout"),
        "payout",
        by=by,
        order=ORDER,
        amount=said.minor,
        unit=currency("EUR"),
        facts={"payment_sha256": said.sha256()},
    )
    world.core.post(Unit([made.line], made.also))
    world.approve(ORDER, "adam", "bella")
    forge(world, said)
    assert reasons(world) == {"payment_lacks_its_origin"}


def test_a_program_that_comes_with_its_token_or_without_a_salt_is_told(world, shop):
    token = clients.add_client(world.core, world.sessions["sara"], "plain", clients.SCOPES)
    assert (
        refusal_of(placing.place_withdrawal, world.desk, ORDER, "c1", 10_00, payee_account=PAYEE, by=token.client)
        == "order_must_say_who_asked"
    )
    assert refusal_of(shop.withdraws, ORDER, salt="short") == "signed_order_needs_a_salt"
    with world.core.connection() as connection:
        assert placing.find_order(connection, world.core.book.book_id, ORDER) is None


def test_the_core_cannot_write_an_origin_or_admit_a_key(world):
    for statement in (
        "INSERT INTO authority.origin VALUES (1, gen_random_uuid(), 'program', 'client:shop', 1)",
        "UPDATE authority.client_key SET admitted = 1",
        "DELETE FROM authority.origin",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), world.core.pool.connection() as connection:
            connection.execute(statement)


def test_the_gateway_waits_for_nobody_who_asked_when_the_policy_does_not_want_to_know(database, tmp_path):
    with custody_world(database, tmp_path) as plain:
        plain.pay_in("c1", 60_000_00)
        tina = plain.sessions["tina"]
        placed = placing.place_withdrawal(plain.desk, ORDER, "c1", 10_00, payee_account=PAYEE, by=tina)
        assert placed.state == "released"
        plain.notary.step(plain.now)
        assert gateway.turn(plain.gateway).sent == 1
