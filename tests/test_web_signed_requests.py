"""Programs that sign, over HTTP: with the class of the guide, against a running core."""

import json
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from console_world import PASSWORD, console_world, post
from custody_world import PAYEE
from ringfence.authority import clients, signing
from ringfence.core import uuid7_source
from ringfence.ledger.model import Kind, Line, batch
from ringfence.ledger.posting.routes import ROWS_TYPE
from signing import signed_by

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
ORDER = {"id": str(UUID(int=77)), "customer": "c1", "amount": {"amount": "5.00", "currency": "EUR"}, "reference": "r"}


@pytest.fixture
def console(database, tmp_path):
    with console_world(database, tmp_path) as found:
        yield found
        assert found.incidents() == []


def program(console, *scopes, name="shop", key=KEY):
    """A program that signs and has a token as well; its key reaches these scopes."""
    core, sara, public = console.world.core, console.world.sessions["sara"], key.public_key().public_bytes_raw()
    token = clients.add_client(core, sara, name, clients.SCOPES).token
    key_id = signing.add_key(core, sara, name, public, scopes, core.clock() + timedelta(days=30))
    found = httpx.Client(base_url=console.address, auth=signed_by(key_id, key, lambda: console.world.now), timeout=60)
    console.browsers[name] = found
    return found, token


def refused(answer):
    return answer.status_code, answer.json()["refused"]


def test_a_program_that_signs_as_the_guide_says_asks_and_orders(console):
    signing_program, _ = program(console, "orders:write", "orders:read")
    order = ORDER | {"payee_account": PAYEE}
    placed = signing_program.post("/api/v1/withdrawals", json=order)
    assert placed.status_code == 200, placed.text
    assert placed.json()["maker"] == "client:shop"
    again = signing_program.post("/api/v1/withdrawals", json=order)
    assert (again.status_code, again.json()["id"]) == (200, placed.json()["id"])
    listed = signing_program.get("/api/v1/proposals", params={"a": "b c"})
    assert listed.status_code == 200, listed.text
    assert signing_program.head("/api/v1/proposals").status_code == 200
    far_away = {"x-forwarded-for": "203.0.113.9"}
    assert refused(signing_program.get("/metrics", headers=far_away)) == (403, "metrics_are_for_the_machine")
    gauge, _ = program(console, "metrics", name="gauge", key=Ed25519PrivateKey.generate())
    assert "ringfence_book_head" in gauge.get("/metrics", headers=far_away).text
    assert refused(signing_program.get("/api/v1/customers")) == (403, "scope_is_missing")
    [said] = {each["caller"] for each in console.said if each["event"] == "request" and "/withdrawals" in each["path"]}
    assert said == "client:shop"


def test_what_was_signed_is_let_in_once_and_not_as_anything_else(console):
    """One request is caught on its way and sent again, changed by a little each time; only the first is let in."""
    signing_program, token = program(console, "orders:write")
    caught = signing_program.build_request("POST", "/api/v1/withdrawals", json=ORDER | {"payee_account": PAYEE})
    caught = next(signing_program.auth.auth_flow(caught))
    headers = dict(caught.headers)
    elsewhere = console.address + "/api/v1/transfers"
    more = json.dumps(ORDER | {"payee_account": PAYEE, "amount": {"amount": "6.00", "currency": "EUR"}})
    browser = console.browser()

    def sent(**changes):
        whole = {"method": "POST", "url": caught.url, "content": caught.content, "headers": headers} | changes
        return browser.request(**whole)

    without = {name: value for name, value in headers.items() if name != "content-digest"}
    bare = {name: value for name, value in headers.items() if name not in ("signature", "signature-input")}
    longer = headers | {"content-length": str(len(more))}
    tries = {
        "another body": (sent(content=more, headers=longer), "content_digest_must_fit"),
        "another address": (sent(url=elsewhere), "signature_does_not_fit"),
        "another question": (sent(url=f"{caught.url}?a=b"), "signature_does_not_fit"),
        "without its digest": (sent(headers=without), "signature_component_is_not_known"),
        "half a signature": (sent(headers=bare | {"signature": headers["signature"]}), "signature_cannot_be_read"),
        "none at all": (sent(headers=bare), "nobody_is_signed_in"),
        "with a token besides": (
            sent(url=elsewhere, headers=headers | {"authorization": f"Bearer {token}"}),
            "signature_does_not_fit",
        ),
    }
    assert {what: refused(answer) for what, (answer, _) in tries.items()} == {
        what: (401, name) for what, (_, name) in tries.items()
    }
    assert sent().status_code == 200
    assert refused(sent()) == (401, "nonce_was_used_already")
    console.world.wait(seconds=301)
    assert refused(sent()) == (401, "signature_is_stale")


def test_a_bulk_request_is_verified_once_and_looked_up_with_the_others(console, monkeypatch):
    """8,000 rows, one signature; and of the same request sent twice at once, one is let in."""
    signing_program, _ = program(console, "journal:post")
    ids, core = uuid7_source(), console.world.core
    with core.connection() as connection:
        number = {
            name: account
            for account, name in connection.execute(b"SELECT account, name FROM ledger.account").fetchall()
        }
    debit, credit = (number[f"customer:{each}:available"] for each in ("c1", "c2"))

    def rows(count):
        day = console.world.now.date()
        lines = [
            [Line(Kind.TRANSFER, UUID(int=ids().int & ~1), debit, credit, 1, code=102, value_date=day)]
            for _ in range(count)
        ]
        return batch(lines).rows.tobytes()

    verified, looked = [], []
    judged, called = signing._judged, signing.callers
    monkeypatch.setattr(signing, "_judged", lambda *given: verified.append(1) or judged(*given))
    monkeypatch.setattr("ringfence.authority.pages.callers", lambda *given: looked.append(1) or called(*given))
    kind = {"content-type": ROWS_TYPE}
    answer = signing_program.post("/api/v1/journal/rows", content=rows(8_000), headers=kind)
    assert answer.status_code == 200, answer.text
    assert answer.json()["posted"] == 8_000
    assert (len(verified), len(looked)) == (1, 1)
    caught = signing_program.build_request("POST", "/api/v1/journal/rows", content=rows(1), headers=kind)
    caught = next(signing_program.auth.auth_flow(caught))
    with httpx.Client(base_url=console.address, timeout=60) as other:
        found = [other.send(caught) for _ in range(3)]
    assert [each.status_code for each in found] == [200, 401, 401]
    assert refused(found[1]) == (401, "nonce_was_used_already")
    assert refused(signing_program.get("/api/v1/proposals")) == (403, "scope_is_missing")


def test_a_program_that_must_sign_is_told_so(console):
    signing_program, token = program(console, "orders:write", "journal:post")
    by_token = httpx.Client(base_url=console.address, headers={"authorization": f"Bearer {token}"}, timeout=60)
    with by_token:
        assert by_token.get("/api/v1/proposals").status_code == 200
        signing.set_signed_only(console.world.core, console.world.sessions["sara"], "shop", signed_only=True)
        assert refused(by_token.get("/api/v1/proposals")) == (403, "client_must_sign")
        rows = by_token.post("/api/v1/journal/rows", content=b"", headers={"content-type": ROWS_TYPE})
        assert refused(rows) == (403, "client_must_sign")
    answer = signing_program.post("/api/v1/withdrawals", json=ORDER | {"payee_account": PAYEE})
    assert answer.status_code == 200, answer.text


def person(console, login):
    """A person's program: a token of a session."""
    token = console.browser().post("/api/v1/sessions", json={"name": login, "password": PASSWORD}).json()["token"]
    found = httpx.Client(base_url=console.address, headers={"authorization": f"Bearer {token}"}, timeout=60)
    console.browsers[f"api {login}"] = found
    return found


def test_keys_are_added_listed_and_revoked_over_http(console):
    sara, tina = (person(console, login) for login in ("sara", "tina"))
    clients.add_client(console.world.core, console.world.sessions["sara"], "shop", ["orders:read"])
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    until = (console.world.now + timedelta(days=10)).isoformat()
    given = {"public_key": pem, "scopes": ["orders:read"], "expires_at": until}
    address = "/api/v1/clients/shop/keys"
    assert refused(tina.post(address, json=given)) == (403, "person_lacks_the_role")
    assert refused(sara.post(address, json=given | {"public_key": "AAAA"})) == (422, "client_key_must_be_ed25519")
    added = sara.post(address, json=given)
    assert added.json() == {"key": signing.key_id_of("demo", "shop", PUBLIC)}
    assert refused(tina.get(address)) == (403, "person_lacks_the_role")
    listed = sara.get(address).json()
    assert (listed["client"], listed["signed_only"], len(listed["keys"])) == ("shop", False, 1)
    assert (listed["keys"][0]["public_key"], listed["keys"][0]["revoked"]) == (PUBLIC.hex(), None)
    assert sara.put("/api/v1/clients/shop/signing", json={"signed_only": True}).status_code == 204
    fingerprint = listed["keys"][0]["fingerprint"]
    assert refused(tina.delete(f"{address}/{fingerprint}")) == (403, "person_lacks_the_role")
    assert sara.delete(f"{address}/{fingerprint}").status_code == 204
    assert refused(sara.delete(f"{address}/{fingerprint}")) == (404, "client_key_must_exist")
    listed = sara.get(address).json()
    assert listed["signed_only"]
    assert listed["keys"][0]["revoked"] > listed["keys"][0]["sequence"]
    assert refused(sara.get("/api/v1/clients/nobody/keys")) == (404, "client_must_exist")


def test_the_page_of_a_program_does_the_same(console):
    clients.add_client(console.world.core, console.world.sessions["sara"], "shop", ["orders:read"])
    sara, page = console.browser("sara"), "/clients/shop"
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    fields = {"public_key": pem, "last_day": "2026-06-30", "scopes": "orders:read"}
    assert f'href="{page}"' in sara.get("/people").text
    assert "has no key yet" in sara.get(page).text
    assert post(sara, f"{page}/keys", fields, form=page).headers["location"] == f"{page}?said=key_added"
    key_id = signing.key_id_of("demo", "shop", PUBLIC)
    assert key_id in sara.get(page).text
    fingerprint = key_id.rpartition("/")[2]
    assert post(sara, f"{page}/keys/{fingerprint}/revocation", {}, form=page).status_code == 303
    assert post(sara, f"{page}/signing", {"signed_only": "true"}, form=page).status_code == 303
    shown = sara.get(page).text
    assert "revoked" in shown
    assert "its token opens nothing" in shown
    assert console.browser("tina").get(page).status_code == 403
