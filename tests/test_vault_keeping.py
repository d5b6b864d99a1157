"""Keeping, revealing and erasing: what the database, an export and the journal hold, and what they do not."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from custody_world import DAY, PAYEE, POOL_ACCOUNT, custody_world, number, verify
from ringfence.authority import proposals, sessions
from ringfence.banking import gateway
from ringfence.banking.payee import payee_proposal
from ringfence.custody import customers, placing
from ringfence.custody.payees import register as payees
from ringfence.custody.personal import erasure
from ringfence.database import PACKAGES
from ringfence.evidence.export import export
from ringfence.evidence.keys import read_verifier
from ringfence.ledger import reading
from ringfence.ledger.codes import EventName
from ringfence.ledger.ids import derived
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.refusal import Refused
from ringfence.vault.ciphers import Spot, unseal
from ringfence.vault.fields import (
    ENTRY_ACCOUNT,
    FIELDS,
    IDENTITY_NUMBER,
    LIABILITY_SECRET,
    ORDER_ACCOUNT,
    PAYEE_ACCOUNT,
    PHONE,
)
from ringfence.vault.keeping import masks, owner
from ringfence.vault.queries import QUERIES
from ringfence.vault.reveal import REASONS, reveal, reveals
from ringfence.vault.rotation import rotate

IDENTITY = "11010519491231002X"
MOBILE = "+86 138-1234-5678"
CARD = "6222020200112233445"
PAYER = "LT121000011101001000"
ANN = {"name": "Ann Nine", "nature": "person", "payee_account": CARD, "bank": "bank:alpha:client"}
SENSITIVE = (IDENTITY, "13812345678", "138-1234-5678", CARD, PAYEE, PAYER)


@pytest.fixture
def world(database, tmp_path):
    with custody_world(database, tmp_path, customers_=2) as found:
        yield found


def register(world, customer="c9", **other):
    given = ANN | {"identity_number": IDENTITY, "phone": MOBILE} | other
    return customers.register(world.core, world.desk.vault, customer, **given)


def pay_elsewhere(world):
    """PAYEE becomes a payee of the customer, as people agree."""
    found = payees.propose(world.core, world.desk.vault, world.new_id(), "c9", PAYEE, by=world.sessions["tina"])
    with world.core.connection() as connection:
        about = proposals.proposal_of(connection, world.core.book.book_id, payee_proposal(found.payee_id))
    proposals.approve(world.core, world.sessions["rita"], about.proposal_id, about.payload_sha256)
    payees.add(world.core, world.desk.vault, found.payee_id)


def dump(database):
    """Every row of every table of ours as text; bytes are hexadecimal digits in it."""
    owner_ = database.connect("owner")
    query = b"SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    tables = owner_.execute(
        query + b" WHERE n.nspname = ANY (%s) AND c.relkind IN ('r', 'p')", ([*PACKAGES, "database"],)
    ).fetchall()
    assert len(tables) > 40
    rows = []
    for schema, table in tables:
        named = psycopg.sql.Identifier(schema, table)
        rows += [row for (row,) in owner_.execute(psycopg.sql.SQL("SELECT t::text FROM {} t").format(named))]
    return "\n".join(rows)


def forms(value):
    """A value as it might stand in a dump."""
    yield value
    yield value.encode().hex()
    yield base64.b64encode(value.encode()).decode()


def events(world, code):
    with world.core.connection() as connection:
        return [each.said for each in reading.events(connection, world.core.book.book_id, code)]


def busy_day(world):
    """Somebody is verified, money comes from a named account, two payouts are ordered and one is made."""
    register(world)
    verify(world.diligence, "c9")
    pay_elsewhere(world)
    account = number("LT", PAYER[4:])
    assert account.text == PAYER
    world.bank.receive(POOL_ACCOUNT, 30_000_00, "Some Payer", account, "RF-c9", world.now, receipt_id="r-1")
    world.turn()
    small, large = world.new_id(), world.new_id()
    for order, amount in ((small, 120_00), (large, 20_000_00)):
        placing.place_withdrawal(world.desk, order, "c9", amount, payee_account=PAYEE, by=world.sessions["tina"])
    world.approve(large, "adam", "rita")
    world.turn()
    world.clock[0] = datetime(2026, 3, 3, 1, tzinfo=UTC)
    world.bank.close_day(DAY, world.now)
    world.turn()
    return small, large


def test_the_whole_database_holds_no_sensitive_value_in_the_clear(world, database):
    """Everything is used once, and what is looked for is there when it is put there: the search can fail."""
    small, _ = busy_day(world)
    text = dump(database)
    found = [(value, form) for value in SENSITIVE for form in forms(value) if form in text]
    assert not found
    assert "••••5678" in text, "masks are there"
    assert world.desk.vault.open(ORDER_ACCOUNT, str(small)) == PAYEE
    assert world.desk.vault.open(IDENTITY_NUMBER, "c9") == IDENTITY
    with world.core.connection() as connection:
        entries = connection.execute(b"SELECT account_name || ' ' || key FROM banking.entry").fetchall()
    accounts = world.desk.vault.open_all(ENTRY_ACCOUNT, [row for (row,) in entries])
    assert {PAYER, PAYEE} <= set(accounts.values()), "the statement's accounts are kept as well"
    with database.connect("owner") as owner_:
        owner_.execute("UPDATE custody.customer SET name = %s WHERE customer_id = 'c9'", (CARD,))
    assert CARD in dump(database)


def test_an_export_and_the_journal_hold_none_either(world, tmp_path):
    busy_day(world)
    world.notary.step(world.now)
    export(tmp_path / "export", world.gateway.evidence, read_verifier(world.gateway.evidence))
    files = [each for each in (tmp_path / "export").rglob("*") if each.is_file()]
    assert len(files) > 3
    content = b"\n".join(each.read_bytes() for each in files)
    assert b"c9" in content
    assert not [form for value in SENSITIVE for form in forms(value) if form.encode() in content]


def test_the_payment_that_the_bank_gets_is_whole(world):
    """What is masked for people and sealed in the database is what the bank is told."""
    register(world)
    verify(world.diligence, "c9")
    pay_elsewhere(world)
    world.pay_in("c9", 500_00)
    order = world.new_id()
    placing.place_withdrawal(world.desk, order, "c9", 120_00, payee_account=PAYEE, by=world.sessions["tina"])
    world.notary.step(world.now)
    assert gateway.turn(world.gateway).sent == 1
    [file] = world.gateway.folder("alpha", "to_bank").glob("*.pain.001.xml")
    assert PAYEE.encode() in file.read_bytes()


# -- where a ciphertext belongs --------------------------------------------------------------------------------------


MOVED = (
    ("c9", "UPDATE vault.field SET sealed = %(other)s WHERE row_key = 'c9' AND place = %(place)s"),
    ("c9", "UPDATE vault.field SET sealed = %(ann)s, key_id = %(key)s WHERE row_key = 'c9' AND place = %(place)s"),
    ("c8", "UPDATE vault.field SET row_key = 'c8' WHERE row_key = 'c9' AND place = %(place)s"),
)


def test_a_ciphertext_that_somebody_moved_in_the_database_does_not_open(world, database):
    """From another column, from another customer (with the key), to another row: by somebody with every right."""
    register(world)
    query = "SELECT sealed, key_id FROM vault.field WHERE row_key = %s AND place = %s"
    for row, moved in MOVED:
        with database.connect("owner") as owner_:
            other, _ = owner_.execute(query, ("c9", PHONE.place)).fetchone()
            ann, key = owner_.execute(query, ("c1", PAYEE_ACCOUNT.place)).fetchone()
            owner_.execute(moved, {"place": IDENTITY_NUMBER.place, "other": other, "ann": ann, "key": key})
        with pytest.raises(Refused, match="ciphertext_does_not_belong_here"):
            world.desk.vault.open(IDENTITY_NUMBER, row)


def test_values_of_many_owners_are_kept_at_once_and_what_is_kept_stays(world):
    vault = world.desk.vault
    vault.keep_each(LIABILITY_SECRET, {"customer:c1": "01", "customer:new": "02"})
    vault.keep_each(LIABILITY_SECRET, {"customer:c1": "03", "customer:new": "04", "customer:newer": "05"})
    kept = vault.open_all(LIABILITY_SECRET, ["customer:c1", "customer:new", "customer:newer"])
    assert kept == {"customer:c1": "01", "customer:new": "02", "customer:newer": "05"}
    assert vault.field_keys(["customer:new"])["customer:new"] == vault.field_key("customer:new")


def test_a_ciphertext_of_another_book_does_not_open(world):
    register(world)
    vault = world.desk.vault
    with world.core.connection() as connection:
        [(sealed,)] = connection.execute(b"SELECT sealed FROM vault.field WHERE place = %s", (PHONE.place,))
    key = vault.field_key(owner("c9"))
    assert unseal(key, 1, Spot(vault.book, PHONE.place, "c9"), bytes(sealed)).decode() == MOBILE
    with pytest.raises(Refused, match="ciphertext_does_not_belong_here"):
        unseal(key, 1, Spot(vault.book + 1, PHONE.place, "c9"), bytes(sealed))


def test_a_wrapped_key_of_another_owner_does_not_open(world, database):
    """Somebody with the owner's rights gives one customer another's key."""
    register(world)
    with database.connect("owner") as owner_:
        owner_.execute(
            "UPDATE vault.field_key SET wrapped = (SELECT wrapped FROM vault.field_key WHERE owner = 'customer:c1')"
            " WHERE owner = 'customer:c9'"
        )
    fresh = replace(world.desk.vault, _memory=type(world.desk.vault._memory)())
    with pytest.raises(Refused, match="wrapped_key_does_not_open"):
        fresh.open(PHONE, "c9")


# -- customers -------------------------------------------------------------------------------------------------------


def test_the_same_customer_again_changes_nothing_and_other_particulars_are_refused(world):
    first = register(world)
    assert register(world) == first
    assert register(world, phone="+8613812345678") == first, "spaces and hyphens are not particulars"
    for other in ({"phone": "+8613800000000"}, {"identity_number": None}, {"payee_account": PAYEE}):
        with pytest.raises(Refused, match="customer_is_registered_already"):
            register(world, **other)


def test_nobody_has_the_identity_number_of_another_customer(world):
    register(world)
    with pytest.raises(Refused, match="identity_has_an_account_already"):
        register(world, "c10", identity_number="110105 19491231 002x")
    register(world, "c11", identity_number="11010519491231003X")
    register(world, "c12", identity_number=None)
    other = replace(PHONE, single=True)
    with world.core.connection() as connection:
        connection.execute(*world.desk.vault.keep(owner("c9"), other, "c90", "+370 600 00001"))
    with pytest.raises(Refused, match="value_is_kept_already"), world.core.connection() as connection:
        connection.execute(*world.desk.vault.keep(owner("c11"), other, "c91", "+370 60000001"))


def test_malformed_particulars_are_refused_and_not_repeated(world):
    for given, name in (
        ({"identity_number": "12"}, "identity_number_is_malformed"),
        ({"identity_number": "1101\u00b905194912310"}, "identity_number_is_malformed"),
        ({"phone": "none"}, "phone_is_malformed"),
        ({"phone": "0" * 21}, "phone_is_malformed"),
    ):
        with pytest.raises(Refused) as said:
            register(world, **given)
        assert (said.value.name, said.value.facts) == (name, {})


def test_a_customer_is_found_by_a_value_that_nobody_reads(world):
    register(world)
    vault = world.desk.vault
    assert vault.find(PHONE, "+86 13812345678") == ["c9"]
    assert vault.find(IDENTITY_NUMBER, IDENTITY.lower()) == ["c9"]
    assert vault.find(PAYEE_ACCOUNT, PAYEE) == ["c1", "c2"]
    assert vault.find(PHONE, IDENTITY) == []
    with pytest.raises(Refused, match="field_is_unknown"):
        vault.find(ORDER_ACCOUNT, PAYEE)
    assert vault.index(PHONE, MOBILE) != replace(vault, index_key=b"x" * 32).index(PHONE, MOBILE)


def test_without_the_key_file_nothing_opens_and_masks_are_shown_all_the_same(world, tmp_path):
    register(world)
    for file in (tmp_path / "keys" / "vault").iterdir():
        file.unlink()
    fresh = replace(world.desk.vault, _memory=type(world.desk.vault._memory)())
    with pytest.raises(Refused, match="wrapping_key_is_missing"):
        fresh.open(PHONE, "c9")
    with world.core.connection() as connection:
        shown = masks(connection, world.core.book.book_id, FIELDS.values(), ["c9"])["c9"]
    assert shown == {"identity_number": "110••••002X", "phone": "+86••••5678", "payee_account": "6222••••3445"}


# -- revealing -------------------------------------------------------------------------------------------------------


def test_a_value_is_revealed_for_a_reason_that_stands_in_the_journal(world):
    register(world)
    seen = reveal(
        world.core, world.desk.vault, world.sessions["rita"], IDENTITY_NUMBER.place, "c9", "bank_asks", "called at 9"
    )
    assert (seen.value, IDENTITY in repr(seen)) == (IDENTITY, False)
    said = {"field": IDENTITY_NUMBER.place, "row": "c9", "reason": "bank_asks", "person": "rita"}
    assert events(world, EventName.FIELD_REVEALED) == [said]
    with world.core.connection() as connection:
        [kept] = reveals(connection, world.core.book.book_id)
    assert (kept.sequence, kept.person_id, kept.note) == (seen.sequence, "rita", "called at 9")


def test_who_may_not_see_sees_nothing_and_nothing_is_journaled(world):
    register(world)
    for who, place, row, reason, name in (
        ("tina", PHONE.place, "c9", "audit", "person_lacks_the_role"),
        ("sara", PHONE.place, "c9", "audit", "person_lacks_the_role"),
        ("rita", PHONE.place, "c9", "curiosity", "reveal_must_have_a_reason"),
        ("rita", PHONE.place, "c9", "", "reveal_must_have_a_reason"),
        ("rita", PHONE.place, "c99", "audit", "field_is_not_kept"),
        ("rita", "custody.customer.name", "c9", "audit", "field_is_unknown"),
        ("rita", "banking.payment_order.payload", "c9", "audit", "field_is_never_shown"),
    ):
        with pytest.raises(Refused) as said:
            reveal(world.core, world.desk.vault, world.sessions[who], place, row, reason)
        assert said.value.name == name
    assert not events(world, EventName.FIELD_REVEALED)


def test_no_reveal_without_its_event(world):
    """A session that ended a moment ago: the database refuses the append, and the value is not given."""
    register(world)
    sessions.sign_out(world.core, world.sessions["rita"])
    with pytest.raises(Refused, match="session_is_not_valid"):
        reveal(world.core, world.desk.vault, world.sessions["rita"], PHONE.place, "c9", "audit")
    assert not events(world, EventName.FIELD_REVEALED)


def test_the_core_cannot_say_that_somebody_saw_without_an_event_that_says_so(world):
    register(world)
    row = {"book": world.core.book.book_id, "event": world.core.new_id(), "place": PHONE.place, "row": "c9"}
    row |= {"token_sha256": world.sessions["rita"].token_sha256, "reason": REASONS[0], "note": ""}
    with pytest.raises(Refused, match="event_must_say_what_happens"), world.core.connection() as connection:
        connection.execute(QUERIES.reveal_to, row)
    for who, named, name in (
        ("tina", "tina", "person_lacks_the_role"),
        ("rita", "adam", "event_must_say_what_happens"),
    ):
        said = {"field": PHONE.place, "row": "c9", "reason": REASONS[0], "person": named}
        event = Line(Kind.EVENT, world.core.new_id(), code=EventName.FIELD_REVEALED, payload=said)
        told = row | {"event": event.id, "token_sha256": world.sessions[who].token_sha256}
        with pytest.raises(Refused, match=name):
            world.core.post(Unit([event], [(QUERIES.reveal_to, told)]))
    assert not events(world, EventName.FIELD_REVEALED)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), world.core.pool.connection() as connection:
        connection.execute("INSERT INTO vault.reveal VALUES (1, 1, 'rita', 'p', 'r', 'audit', '', now())")


def test_who_only_reads_reads_no_ciphertext(world, database):
    register(world)
    for role in ("notary", "reader", "auditor", "gateway"):
        for query in ("SELECT sealed FROM vault.field", "SELECT indexed FROM vault.field"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), database.connect(role) as connection:
                connection.execute(query)


# -- erasing ---------------------------------------------------------------------------------------------------------


def propose(world, customer="c9"):
    return erasure.propose_erasure(world.core, world.sessions["tina"], customer, "asked for it in writing").proposal_id


def approve(world, proposal_id, *people):
    with world.core.connection() as connection:
        found = proposals.proposal_of(connection, world.core.book.book_id, proposal_id)
    for person in people:
        proposals.approve(world.core, world.sessions[person], proposal_id, found.payload_sha256)


def test_a_customer_is_erased_when_two_have_approved_and_nobody_reads_the_fields_again(world, database):
    register(world)
    vault = world.desk.vault
    assert vault.open(PHONE, "c9") == MOBILE
    proposal_id = propose(world)
    approve(world, proposal_id, "adam")
    with pytest.raises(Refused, match="proposal_is_not_complete"):
        erasure.carry_out_erasure(world.core, proposal_id)
    approve(world, proposal_id, "rita")
    assert erasure.carry_out_all(world.core) == 1
    assert events(world, EventName.CUSTOMER_ERASED) == [{"proposal": str(proposal_id), "customer": "c9"}]
    for what in (PHONE, IDENTITY_NUMBER, PAYEE_ACCOUNT):
        with pytest.raises(Refused, match="field_was_erased"):
            vault.open(what, "c9")
    assert vault.find(PHONE, MOBILE) == []
    assert "••••5678" not in dump(database)
    with pytest.raises(Refused, match="owner_was_erased"):
        vault.keep_each(LIABILITY_SECRET, {"customer:new": "00", "customer:c9": "11"})
    assert vault.open_all(LIABILITY_SECRET, ["customer:new", "customer:c9"]) == {}
    with pytest.raises(Refused, match="owner_was_erased"):
        vault.keep(owner("c9"), PHONE, "c9-again", MOBILE)
    assert vault.open(PAYEE_ACCOUNT, "c1") == PAYEE
    assert erasure.carry_out_erasure(world.core, proposal_id) >= 0, "again, it changes nothing"
    assert erasure.carry_out_all(world.core) == 0
    rotate(world.core, vault, "field", settle=timedelta(0))
    rotate(world.core, vault, "wrapping", settle=timedelta(0))
    register(world, "c10")


def test_who_has_money_here_is_not_erased_even_if_it_came_later(world):
    register(world)
    verify(world.diligence, "c9")
    proposal_id = propose(world)
    approve(world, proposal_id, "adam", "rita")
    world.pay_in("c9", 5_00)
    with pytest.raises(Refused, match="customer_must_have_no_money"):
        erasure.carry_out_erasure(world.core, proposal_id)
    with pytest.raises(Refused, match="customer_must_have_no_money"):
        propose(world)
    assert erasure.carry_out_all(world.core) == 0
    assert world.desk.vault.open(PHONE, "c9") == MOBILE


def test_the_core_cannot_destroy_a_key_without_a_proposal(world):
    register(world)
    book, event = world.core.book.book_id, derived(world.core.new_id(), "erase")
    with pytest.raises(Refused, match="event_must_say_what_happens"), world.core.connection() as connection:
        connection.execute(QUERIES.erase, {"book": book, "event": event, "proposal": event})
    with pytest.raises(psycopg.errors.InsufficientPrivilege), world.core.pool.connection() as connection:
        connection.execute("UPDATE vault.field_key SET wrapped = NULL, state = 'destroyed'")
