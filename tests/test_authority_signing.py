"""Programs that sign: whose key it is, for how long, and that a request is taken once."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authority_world import World, world_of
from ringfence.authority import clients, proposals, signing
from ringfence.authority.actors import Client
from ringfence.authority.signing import SignedRequest, callers, read_public_key
from ringfence.ledger.codes import EventName
from ringfence.money import currency
from ringfence.refusal import Refused

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


@pytest.fixture
def world(database) -> Iterator[World]:
    with world_of(database) as found:
        clients.add_client(found.core, found.session("sara"), "shop", ["orders:read", "orders:write"])
        yield found


def refusal_of(act, *given, **named) -> str:
    with pytest.raises(Refused) as no:
        act(*given, **named)
    return no.value.name


def add(world, scopes=("orders:write",), public=PUBLIC, days=30, client="shop", by="sara") -> str:
    expires_at = world.clock() + timedelta(days=days)
    return signing.add_key(world.core, world.session(by), client, public, scopes, expires_at)


def request(world, key_id, nonce="n1", *, ago=0, expires=None, fits=True) -> SignedRequest:
    created = int(world.clock().timestamp()) - ago
    return SignedRequest(key_id, nonce, created, expires, lambda public: fits and public == PUBLIC)


def answers(world, *requests) -> list[str]:
    """Who is let in, or by which name he is not."""
    return [each.maker if isinstance(each, Client) else each.name for each in callers(world.core, requests)]


def test_a_key_is_added_and_revoked_by_a_security_administrator_and_the_journal_says_so(world):
    key = add(world)
    assert key == signing.key_id_of("demo", "shop", PUBLIC)
    [listed] = signing.keys(world.connect("auditor"), world.book, "shop")
    assert (listed.key_id, bytes(listed.public_key), listed.scopes, listed.revoked) == (
        key,
        PUBLIC,
        ["orders:write"],
        None,
    )
    assert answers(world, request(world, key)) == ["client:shop"]
    signing.revoke_key(world.core, world.session("sara"), "shop", listed.fingerprint)
    assert answers(world, request(world, key, "n2")) == ["client_key_is_not_known"]
    again = (world.core, world.session("sara"), "shop", listed.fingerprint)
    assert refusal_of(signing.revoke_key, *again) == "client_key_must_exist"
    assert refusal_of(add, world) == "client_key_is_a_key_already"
    said = [each for each in world.events(EventName.PERSON_CHANGED) if "key" in each]
    assert [(each["change"], each["person"], each["key"], each["by"]) for each in said] == [
        ("client key added", "client:shop", key, "sara"),
        ("client key revoked", "client:shop", key, "sara"),
    ]
    assert said[0]["public_key"] == PUBLIC.hex()


def test_a_key_reaches_no_further_than_its_program_and_not_for_ever(world):
    assert refusal_of(add, world, by="tess") == "person_lacks_the_role"
    assert refusal_of(add, world, scopes=["money:take"]) == "scope_is_unknown"
    assert refusal_of(add, world, client="nobody") == "client_must_exist"
    assert refusal_of(add, world, scopes=["journal:post"]) == "client_key_reaches_what_its_client_does"
    assert refusal_of(add, world, scopes=[]) == "client_key_reaches_what_its_client_does"
    assert refusal_of(add, world, days=0) == "client_key_must_end_within_two_years"
    assert refusal_of(add, world, days=732) == "client_key_must_end_within_two_years"
    [client] = callers(world.core, [request(world, add(world))])
    client.require_scope("orders:write")
    assert refusal_of(client.require_scope, "orders:read") == "scope_is_missing"


def test_each_claim_that_does_not_hold_is_refused_by_its_name_and_uses_no_nonce_up(world):
    key = add(world, days=1)
    now = int(world.clock().timestamp())
    wrong = {
        "client_key_is_not_known": request(world, "demo/shop/0000000000000000"),
        "signature_is_of_the_future": request(world, key, ago=-32),
        "signature_is_stale": request(world, key, ago=302),
        "signature_does_not_fit": request(world, key, fits=False),
    }
    assert answers(world, *wrong.values()) == list(wrong)
    assert answers(world, request(world, key, expires=now - 1)) == ["signature_is_stale"]
    assert answers(world, request(world, key, ago=298, expires=now + 60)) == ["client:shop"]
    assert answers(world, request(world, key)) == ["nonce_was_used_already"]
    assert answers(world, request(world, key, "n2", ago=-29)) == ["client:shop"]
    world.later(days=1)
    assert answers(world, request(world, key, "n3")) == ["client_key_has_expired"]


def test_a_nonce_counts_once_for_a_key_whoever_comes_first(world):
    """Also within one look, and for another key it is another nonce."""
    key, other = add(world), Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    second = add(world, public=other)
    several = [request(world, key), request(world, key), request(world, key, "n2")]
    assert answers(world, *several) == ["client:shop", "nonce_was_used_already", "client:shop"]
    assert answers(world, request(world, key)) == ["nonce_was_used_already"]
    by_other = SignedRequest(second, "n1", int(world.clock().timestamp()), None, lambda public: public == other)
    assert answers(world, by_other) == ["client:shop"]


def test_several_cores_at_the_same_moment_take_a_request_once(world):
    """Eight cores, each asked with the same twenty requests in an order of its own."""
    key = add(world)
    found: list[list[str]] = []
    barrier = threading.Barrier(8)

    def core(number: int) -> None:
        asked = [request(world, key, f"n{(each * 7 + number) % 20}") for each in range(20)]
        barrier.wait()
        found.append(answers(world, *asked))

    threads = [threading.Thread(target=core, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert sum(each.count("client:shop") for each in found) == 20
    assert sum(each.count("nonce_was_used_already") for each in found) == 140


def test_what_is_forgotten_is_too_old_to_be_said_again(world):
    """After half an hour a nonce is gone; a request of that age is stale, and the database takes none of 15 minutes."""
    key = add(world)
    old = request(world, key)
    assert answers(world, old) == ["client:shop"]
    world.later(minutes=31)
    assert answers(world, request(world, key, "n2"), old) == ["client:shop", "signature_is_stale"]
    owner = world.connect("owner")
    assert owner.execute(b"SELECT count(*) FROM authority.signed_request").fetchone() == (1,)
    late = {"key_ids": [key], "nonces": ["n1"], "at": world.clock()}
    for minutes, taken in ((16, 0), (14, 1), (-2, 0)):
        created = [world.clock() - timedelta(minutes=minutes)]
        asked = late | {"book": world.book, "nonces": [f"m{minutes}"], "created": created}
        assert len(world.connect("core").execute(signing.QUERIES.take_requests, asked).fetchall()) == taken


def test_a_program_that_must_sign_is_not_let_in_by_its_token(world):
    sara = world.session("sara")
    token = clients.add_client(world.core, sara, "bank", ["orders:write"]).token
    signing.set_signed_only(world.core, sara, "bank", signed_only=True)
    assert refusal_of(clients.client_of, world.core, token) == "client_must_sign"
    key = add(world, client="bank")
    assert answers(world, request(world, key)) == ["client:bank"]
    signing.set_signed_only(world.core, sara, "bank", signed_only=False)
    assert clients.client_of(world.core, token).client_id == "bank"
    clients.revoke_client(world.core, sara, "bank")
    assert answers(world, request(world, key, "n2")) == ["client_key_is_not_known"]
    assert refusal_of(signing.set_signed_only, world.core, sara, "bank", signed_only=True) == "client_must_exist"
    assert refusal_of(signing.set_signed_only, world.core, world.session("tess"), "shop", signed_only=False) == (
        "person_lacks_the_role"
    )


def test_the_maker_of_a_proposal_is_found_by_the_request_that_was_taken(world):
    """Not by a name that the core gives: a request that was never taken makes nothing."""
    [client] = callers(world.core, [request(world, add(world))])
    assert isinstance(client, Client)
    facts = {"creditor_name": "x", "creditor_account": "y"}
    payout = {"amount": 20_000_00, "unit": currency("EUR"), "facts": facts}
    made = proposals.propose(world.core, client, world.new_id(), "payout", **payout)
    found = proposals.proposal_of(world.connect("core"), world.book, made.proposal_id)
    assert found.maker == "client:shop"
    forged = Client("shop", client.scopes, bytes(32))
    assert (
        refusal_of(proposals.propose, world.core, forged, world.new_id(), "payout", **payout) == "session_is_not_valid"
    )


def test_nobody_but_the_core_takes_requests_and_nobody_writes_keys(world):
    for role in ("gateway", "notary", "reader", "auditor"):
        for call in ("take_requests(1, '{}', '{}', '{}', now())", "keys_of(1, '{}', now())"):
            with pytest.raises(psycopg.Error) as refused:
                world.connect(role).execute(f"SELECT authority.{call}".encode())
            assert refused.value.sqlstate in {"42501", "25006"}, (role, call)
    for role in ("core", "gateway", "notary", "reader", "auditor"):
        for table in ("client_key", "signed_request"):
            for word in (
                "INSERT INTO authority.{} DEFAULT VALUES",
                "DELETE FROM authority.{}",
                "TRUNCATE authority.{}",
            ):
                with pytest.raises(psycopg.Error) as refused:
                    world.connect(role).execute(word.format(table).encode())
                assert refused.value.sqlstate in {"42501", "25006"}, (role, word, table)


def test_a_public_key_comes_in_base64_or_pem_and_as_nothing_else():
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
    assert read_public_key(pem) == PUBLIC
    assert read_public_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n") == bytes(range(32))
    for wrong in ("", "AAAA", "ä", private, "-----BEGIN PUBLIC KEY-----", "A" * 44):
        assert refusal_of(read_public_key, wrong) == "client_key_must_be_ed25519", wrong
