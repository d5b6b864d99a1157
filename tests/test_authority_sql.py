"""With full SQL as a role of ours: what PostgreSQL itself refuses.

The attacker holds the core's database role and one stolen session. Whatever the core's Python would check, it skips.
"""

import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from authority_world import QUICK, World, world_of
from policies import unsigned_toml
from ringfence.authority import passwords, proposals, terms, verification
from ringfence.authority.actors import Session, hash_of
from ringfence.authority.policy import read_toml
from ringfence.authority.proposals import Drafted
from ringfence.authority.queries import QUERIES
from ringfence.ledger.codes import EventName
from ringfence.ledger.journal import Unit
from ringfence.ledger.model import Kind, Line
from ringfence.ledger.storage import head_of
from ringfence.money import currency
from ringfence.refusal import Refused

EUR = currency("EUR")
UNSIGNED = dict.fromkeys(("credential", "client_data", "authenticator_data", "signature"))


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        yield found


def payout(world: World, by: str = "tess", amount: int = 2_000_000) -> Drafted:
    facts = {"creditor_name": "Erika Beispiel", "creditor_account": "DE89370400440532013000"}
    return proposals.propose(
        world.core, world.session(by), world.new_id(), "payout", order=UUID(int=9), amount=amount, unit=EUR, facts=facts
    )


TABLES = [
    "person",
    "person_role",
    "password",
    "decoy",
    "session",
    "attempt",
    "client",
    "policy",
    "proposal",
    "approval",
    "passkey",
    "code_device",
    "spent_challenge",
]
WRITES = {
    "insert": "INSERT INTO authority.{} SELECT * FROM authority.{} WHERE false",
    "update": "UPDATE authority.{} SET book_id = 1",
    "delete": "DELETE FROM authority.{}",
    "truncate": "TRUNCATE authority.{}",
}


def test_no_role_writes_a_table_of_authority(world):
    for role in ("core", "gateway", "notary", "reader", "auditor"):
        connection = world.connect(role)
        for table in TABLES:
            for word, statement in WRITES.items():
                with pytest.raises(psycopg.Error) as refused, connection.transaction():
                    connection.execute(statement.format(table, table).encode())
                assert refused.value.sqlstate in {"42501", "25006"}, f"{role} may {word} {table}"


SECRETS = [
    "code_device.secret",
    "password.verifier",
    "password.salt",
    "decoy.secret",
    "session.token_sha256",
    "client.token_sha256",
]


def test_no_role_reads_a_secret(world):
    for role in ("core", "gateway", "notary", "reader", "auditor"):
        connection = world.connect(role)
        for secret in SECRETS:
            table, _, column = secret.partition(".")
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"SELECT {column} FROM authority.{table}".encode())


OF_THE_CORE = [
    "authority.decide(1, gen_random_uuid(), ''::bytea, NULL, ''::bytea, 'approve', '', NULL, NULL, NULL, NULL)",
    "authority.make_proposal(1, gen_random_uuid(), gen_random_uuid(), ''::bytea, NULL)",
    "authority.carry_out(1, gen_random_uuid(), 1, gen_random_uuid(), 'payout')",
    "authority.try_password(1, 'tess', ''::bytea, now(), '')",
    "authority.found_policy(1, gen_random_uuid(), ''::bytea)",
    "authority.found_rule_pack(1, gen_random_uuid(), ''::bytea, '{}')",
    "authority.change_rule_pack(1, gen_random_uuid(), gen_random_uuid())",
    "authority.require_rule_pack(1, gen_random_uuid())",
    "authority.carry_out_correction(1, gen_random_uuid(), gen_random_uuid())",
    "authority.enrol_passkey(1, gen_random_uuid(), gen_random_uuid())",
    "authority.revoke_passkey(1, gen_random_uuid(), ''::bytea, ''::bytea)",
    "authority.new_challenge(1, now())",
    "authority.set_code_device(1, gen_random_uuid(), NULL, NULL, NULL, NULL)",
    "authority.open_session_by_passkey(1, gen_random_uuid(), NULL, NULL, NULL, NULL, NULL, NULL)",
]
OF_NOBODY = [
    "authority.put_roles(1, 'tess', ARRAY['approver'], 1)",
    "authority.put_password(1, 'tess', '{}')",
    "authority.put_policy(1, 2, now(), ''::bytea, gen_random_uuid())",
    "authority.put_rule_pack(1, 2, now(), ''::bytea, '{}', gen_random_uuid())",
    "authority.password_fits(1, 'tess', ''::bytea)",
    "authority.use_passkey(1, NULL, NULL, NULL, NULL, NULL, now())",
    "authority.seal_of(1, ''::bytea)",
    "authority.code_fits(1, 'tess', '', now())",
    "authority.code_at(''::bytea, 1)",
]


def test_only_the_core_calls_what_changes_something_and_nobody_what_it_is_made_of(world):
    calls = dict.fromkeys(("gateway", "notary", "reader", "auditor"), OF_THE_CORE + OF_NOBODY) | {"core": OF_NOBODY}
    for role, forbidden in calls.items():
        connection = world.connect(role)
        for call in forbidden:
            with pytest.raises(psycopg.Error) as refused, connection.transaction():
                connection.execute(f"SELECT {call}".encode())
            assert refused.value.sqlstate in {"42501", "25006"}, f"{role} may {call}"


def event(world: World, code: EventName, **said: Any) -> Line:
    return Line(Kind.EVENT, world.new_id(), code=code, payload=said)


def forge(world: World, query: bytes, line: Line | None, **row: Any) -> str:
    """Call a function of the database with anything, in an append that says anything; the name of the refusal."""
    head = head_of(world.connect("core"), world.book)
    line = line or event(world, EventName.ORDER_STATE)
    with pytest.raises(Refused) as no:
        world.core.post(Unit([line], [(query, {"book": world.book, "event": line.id} | row)]))
    assert head_of(world.connect("core"), world.book) == head
    return no.value.name


def decision(world: World, made: Drafted, session: Session, person: str, count: int = 1, **changes: Any) -> str:
    said = {
        "proposal": str(made.proposal_id),
        "person": person,
        "sha256": made.payload_sha256.hex(),
        "count": count,
    }
    row = {
        "token_sha256": session.token_sha256,
        "proposal": made.proposal_id,
        "payload_sha256": made.payload_sha256,
        "decision": "approve",
        "reason": "",
        **UNSIGNED,
    }
    return forge(world, QUERIES.decide, event(world, EventName.PROPOSAL_APPROVED, **said), **row | changes)


def test_one_session_does_not_make_an_approval(world):
    """The thief has the treasurer's session: to approve the own proposal, to approve as somebody else, without a
    session, with a made-up one, without the journal saying so, or with the journal saying otherwise.
    """
    made, thief = payout(world), world.session("tess")
    assert decision(world, made, thief, "tess") == "maker_may_not_check"
    assert decision(world, made, thief, "abel") == "maker_may_not_check"
    assert decision(world, made, thief, "abel", token_sha256=None) == "session_is_not_valid"
    assert decision(world, made, thief, "abel", token_sha256=hash_of("guess")) == "session_is_not_valid"
    other, officer = payout(world, by="theo"), world.session("rita")
    assert decision(world, other, officer, "abel") == "person_lacks_the_role"
    approver = world.session("abel")
    assert decision(world, made, approver, "anna") == "event_must_say_what_happens"
    assert decision(world, made, approver, "abel", count=2) == "decision_was_counted_meanwhile"
    assert decision(world, made, approver, "abel", payload_sha256=bytes(32)) == "payload_was_changed"
    assert decision(world, made, approver, "abel", decision="reject") == "event_must_say_what_happens"
    assert world.connect("core").execute(b"SELECT count(*) FROM authority.approval").fetchone() == (0,)


def test_an_event_of_an_earlier_append_bears_no_approval(world):
    made, approver = payout(world), world.session("abel")
    said = {"proposal": str(made.proposal_id), "person": "abel", "sha256": made.payload_sha256.hex(), "count": 1}
    old = event(world, EventName.PROPOSAL_APPROVED, **said)
    world.core.post(Unit([old]))
    row = {
        "token_sha256": approver.token_sha256,
        "proposal": made.proposal_id,
        "payload_sha256": made.payload_sha256,
        "decision": "approve",
        "reason": "",
        **UNSIGNED,
    }
    assert forge(world, QUERIES.decide, None, **row | {"event": old.id}) == "event_must_say_what_happens"


def test_a_function_called_outside_an_append_does_nothing(world):
    made = payout(world)
    connection = world.connect("core")
    row = {
        "book": world.book,
        "event": world.new_id(),
        "token_sha256": world.session("abel").token_sha256,
        "proposal": made.proposal_id,
        "payload_sha256": made.payload_sha256,
        "decision": "approve",
        "reason": "",
        **UNSIGNED,
    }
    with pytest.raises(psycopg.Error) as refused, connection.transaction():
        connection.execute(QUERIES.decide, row)
    assert refused.value.diag.constraint_name == "event_must_say_what_happens"


def proposal(world: World, changes: dict[str, Any], token: bytes | None, said: dict[str, Any] | None = None) -> str:
    """A proposal whose bytes and event say what the attacker likes."""
    identity = world.new_id()
    with world.core.connection() as connection:
        version = verification.policy_version(connection, world.book, 1)
    drafted = proposals.draft(
        world.core,
        version,
        identity,
        "payout",
        by=world.session("tess"),
        order=UUID(int=9),
        amount=9_000_000,
        unit=EUR,
        facts={},
    )
    payload = terms.rfc8785.dumps(terms.json.loads(drafted.payload) | changes)
    claimed = dict(drafted.line.payload or {}) | {"sha256": hashlib.sha256(payload).hexdigest()} | (said or {})
    line = event(world, EventName.PROPOSAL_MADE, **claimed)
    return forge(world, QUERIES.make_proposal, line, proposal=identity, payload=payload, token_sha256=token)


def test_a_proposal_cannot_ask_for_fewer_people_than_the_policy(world):
    """9,000,000 minor units ask for two people; the attacker would like one, another maker, or an old policy."""
    token = world.session("tess").token_sha256
    otherwise = "requirement_changed_meanwhile"
    assert proposal(world, {}, token, {"people": 1}) == otherwise
    assert proposal(world, {}, token, {"roles": ["approver", "treasurer"]}) == otherwise
    assert proposal(world, {}, token, {"signed": True}) == otherwise
    assert proposal(world, {}, token, {"maker": "anna"}) == "event_must_say_what_happens"
    assert proposal(world, {"amount_minor": "2000000"}, token) == otherwise
    assert proposal(world, {"policy_version": 2}, token) == "policy_has_changed"
    assert proposal(world, {"book": 2}, token) == "terms_are_not_valid"
    assert proposal(world, {"proposal": str(UUID(int=1))}, token) == "terms_are_not_valid"
    assert proposal(world, {"expires_at": "2099-01-01T00:00:00Z"}, token) == "terms_are_not_valid"
    assert proposal(world, {"expires_at": None}, token) == "terms_are_not_valid"
    assert proposal(world, {"act": "gift"}, token) == "act_is_not_in_the_policy"
    assert proposal(world, {"amount_minor": "1"}, token) == otherwise  # of a person's there is always another
    assert proposal(world, {"amount_minor": "1"}, None) == "approval_is_not_required"
    assert proposal(world, {}, None) == "maker_may_not_make_this"
    assert proposal(world, {}, hash_of("guess")) == "session_is_not_valid"


def test_the_core_does_not_found_people_twice_nor_another_first_policy(world):
    secret = Jsonb(passwords.secret_of("my own password", bytes(16), QUICK) | {"must_change": False})
    line = event(world, EventName.PERSON_CHANGED, person="mallory", change="founded", roles=["approver"])
    row = {"person": "mallory", "display_name": "M", "roles": ["approver"], "secret": secret}
    assert forge(world, QUERIES.found_person, line, **row) == "book_has_its_people_already"
    lax = read_toml(unsigned_toml().replace("people = 2", "people = 1"))
    line = event(world, EventName.POLICY_SET, version=1, sha256=lax.sha256.hex())
    assert forge(world, QUERIES.found_policy, line, document=lax.document) == "policy_version_must_be_next"


def test_the_core_does_not_change_people_or_policy_without_a_complete_proposal(world):
    made = payout(world)
    proposals.approve(world.core, world.session("abel"), made.proposal_id, made.payload_sha256)
    line = event(world, EventName.PERSON_CHANGED, person="tess", change="changed", roles=["approver"])
    assert forge(world, QUERIES.change_person, line, proposal=made.proposal_id) == "proposal_is_not_complete"
    line = event(world, EventName.POLICY_SET, version=2)
    assert forge(world, QUERIES.change_policy, line, proposal=made.proposal_id) == "proposal_is_not_complete"


def test_the_core_opens_no_session_without_the_password(world):
    session = world.new_id()
    line = event(world, EventName.SIGNED_IN, person="abel", session=str(session))
    row = {"login": "abel", "session": session, "token_sha256": hash_of("mine"), "stretched": bytes(32), "code": ""}
    assert forge(world, QUERIES.open_session, line, **row) == "session_is_not_valid"


def test_only_a_security_administrator_deactivates_or_adds_a_client(world):
    token = world.session("tess").token_sha256
    line = event(world, EventName.PERSON_CHANGED, person="abel", change="deactivated", roles=[], by="tess")
    assert forge(world, QUERIES.deactivate_person, line, token_sha256=token, person="abel") == "person_lacks_the_role"
    line = event(world, EventName.PERSON_CHANGED, person="client:x", change="client added", scopes=[], by="tess")
    row = {"token_sha256": token, "client": "x", "client_token_sha256": hash_of("x"), "scopes": ["orders:write"]}
    assert forge(world, QUERIES.add_client, line, **row) == "person_lacks_the_role"


REWRITES = [
    "UPDATE authority.proposal SET payload = 'x', payload_sha256 = sha256('x')",
    "UPDATE authority.proposal SET state = 'carried_out', carried_out = 1",
    "UPDATE authority.proposal SET people = 1",
    "UPDATE authority.proposal SET maker = 'otto'",
    "DELETE FROM authority.proposal",
    "DELETE FROM authority.approval",
    "UPDATE authority.approval SET person_id = 'otto'",
    "UPDATE authority.policy SET document = 'x', sha256 = sha256('x')",
]


def test_not_even_the_owner_rewrites_what_was_decided_by_mistake(world):
    made = payout(world, amount=9_000_000)
    proposals.approve(world.core, world.session("abel"), made.proposal_id, made.payload_sha256)
    owner = world.connect("owner")
    for statement in REWRITES:
        with pytest.raises(psycopg.Error) as refused, owner.transaction():
            owner.execute(statement.encode())
        assert refused.value.sqlstate == "RF003", statement
