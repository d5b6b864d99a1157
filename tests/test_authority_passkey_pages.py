"""Passkeys in a browser and over HTTP: enrolled, signed in by, and the payout that two signatures move."""

import html
import json
import random
import re
from collections.abc import Iterator

import httpx
import pytest

from authority_world import device_at
from console_world import Console, console_world, post
from custody_world import PASSWORD
from policies import unsigned_toml
from ringfence.authority import codes, proposals
from ringfence.authority.passkeys import keys
from ringfence.authority.passkeys.assertions import RelyingParty, to_text
from ringfence.authority.policy import Policy, read_toml
from ringfence.custody.orders import orders
from ringfence.ledger.codes import EventName
from test_authority_codes import code_at

QUESTION = re.compile(r'data-passkey="(get|create)" data-question="([^"]+)"')
BAND = '{ up_to_minor = "5000000", people = 1, roles = ["approver"]'


def signing_policy() -> Policy:
    """Payouts from the second limit on are signed; a key approves at once."""
    text = (
        unsigned_toml().replace(f"{BAND} }}", f"{BAND}, signed = true }}").replace("wait_hours = 24", "wait_hours = 0")
    )
    return read_toml(text)


@pytest.fixture
def console(database, tmp_path) -> Iterator[Console]:
    with console_world(database, tmp_path, policy=signing_policy()) as found:
        yield found
        assert found.incidents() == []


def browser_at_localhost(console: Console, login: str | None = None) -> httpx.Client:
    """A browser at the address by its name, because numbers have no passkeys."""
    address = console.address.replace("127.0.0.1", "localhost")
    found = httpx.Client(base_url=address, headers={"accept": "text/html", "accept-language": "en"}, timeout=60)
    console.browsers[f"localhost {len(console.browsers)}"] = found
    if login:
        answer = post(found, "/sign-in", {"name": login, "password": PASSWORD}, form="/sign-in")
        assert answer.status_code == 303, answer.text
    return found


def question_on(page: httpx.Response) -> dict:
    found = QUESTION.search(page.text)
    assert found, page.text
    return json.loads(html.unescape(found[2]))


def device(console: Console, seed: int):
    return device_at(console.address.replace("127.0.0.1", "localhost"), random.Random(seed).randbytes)


def enrol(console: Console, login: str, seed: int):
    """A key of somebody's, on the pages: made by the owner, approved by the security administrator."""
    owner, found = browser_at_localhost(console, login), device(console, seed)
    question = question_on(owner.get("/passkeys"))
    said = found.register(question["challenge"]) | {"challenge": question["challenge"], "label": f"ring of {login}"}
    answer = post(owner, "/passkeys", said, form="/passkeys")
    assert answer.status_code == 303, answer.text
    there = answer.headers["location"].partition("?")[0]
    sara = browser_at_localhost(console, "sara")
    page = sara.get(there)
    assert f"ring of {login}" in page.text
    digest = re.search(r'name="sha256" value="([0-9a-f]{64})"', page.text)
    assert post(sara, there, {"decision": "approve", "sha256": digest[1]}, form=there).status_code == 303
    return owner, found


LARGE = b"""
    SELECT p.proposal_id FROM authority.proposal p JOIN custody."order" o USING (book_id, order_id)
     WHERE p.act = 'payout' AND o.reference = 'large'
"""


def payout_waiting(console: Console) -> str:
    """The page of the payout of 20,000.00 that waits for one approver."""
    with console.world.core.connection() as connection:
        [found] = connection.execute(LARGE).fetchone()
    return f"/approvals/{found}"


def test_a_payout_leaves_by_the_signature_of_a_passkey_and_by_nothing_less(console):
    there = payout_waiting(console)
    adam = browser_at_localhost(console, "adam")
    page = adam.get(there)
    assert "you have none for this address" in page.text
    assert 'value="approve"' not in page.text
    digest = re.search(r'name="sha256" value="([0-9a-f]{64})"', page.text)[1]
    refused = post(adam, there, {"decision": "approve", "sha256": digest}, form=there)
    assert (refused.status_code, "a password is not enough" in refused.text) == (403, True)

    adam, ring = enrol(console, "adam", 1)
    question = question_on(adam.get(there))
    assert question["allow"] == [to_text(ring.credential_id)]
    said = ring.sign(question["challenge"]) | {"decision": "approve", "sha256": digest, "reason": "called back"}
    assert post(adam, there, said, form=there).status_code == 303
    page = adam.get(there)
    assert "signed by passkey" in page.text
    with console.world.core.connection() as connection:
        [order] = [
            each.order_id for each in orders(connection, console.world.core.book.book_id) if each.reference == "large"
        ]
    console.world.approve(order, "bella", "rita")  # what risk held, by two passwords, as the policy says
    console.world.turn(4)
    with console.world.core.connection() as connection:
        states = {each.reference: each.state for each in orders(connection, console.world.core.book.book_id)}
    assert states["large"] == "settled"


def test_a_person_signs_in_on_the_page_by_a_passkey_alone(console):
    _, ring = enrol(console, "adam", 2)
    browser = browser_at_localhost(console)
    question = question_on(browser.get("/sign-in"))
    assert question["allow"] == []
    answer = post(browser, "/sign-in/passkey", ring.sign(question["challenge"]) | {"back": "/people"}, form="/sign-in")
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    assert "Adam" in browser.get("/people").text
    again = browser_at_localhost(console)
    refused = post(again, "/sign-in/passkey", ring.sign(question["challenge"]) | {"back": "/"}, form="/sign-in")
    assert (refused.status_code, "it is good once" in refused.text) == (401, True)
    nonsense = {"credential": "***", "client_data": "", "authenticator_data": "", "signature": ""}
    assert post(again, "/sign-in/passkey", nonsense, form="/sign-in").status_code == 422


def test_at_an_address_of_numbers_there_are_no_passkeys_and_passwords_work(console):
    assert "data-passkey=" not in console.browser().get("/sign-in").text
    page = console.browser("adam").get("/passkeys")
    assert "address of numbers" in page.text
    assert page.status_code == 200


def test_keys_are_listed_and_revoked_on_their_page(console):
    adam, ring = enrol(console, "adam", 3)
    bella = browser_at_localhost(console, "bella")
    assert "ring of adam" in adam.get("/passkeys").text
    assert "ring of adam" not in bella.get("/passkeys").text
    gone = f"/passkeys/{ring.credential_id.hex()}/revocation"
    assert post(bella, gone, {}, form="/passkeys").status_code == 403
    sara = browser_at_localhost(console, "sara")
    assert "ring of adam" in sara.get("/passkeys").text
    assert post(sara, gone, {}, form="/passkeys").status_code == 303
    assert "revoked" in adam.get("/passkeys").text
    assert post(sara, gone, {}, form="/passkeys").status_code == 404


def program_of(console: Console, token: str) -> httpx.Client:
    address = console.address.replace("127.0.0.1", "localhost")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    found = httpx.Client(base_url=address, headers=headers, timeout=60)
    console.browsers[f"program {len(console.browsers)}"] = found
    return found


def test_over_http_a_person_enrols_signs_in_approves_and_revokes(console):
    def signed_in(login):
        opened = httpx.post(
            f"{console.address}/api/v1/sessions", json={"name": login, "password": PASSWORD}, timeout=60
        )
        return program_of(console, opened.json()["token"])

    adam, sara, ring = signed_in("adam"), signed_in("sara"), device(console, 4)
    question = adam.post("/api/v1/passkeys/challenges").json()
    assert (question["rp_id"], question["user_name"], question["exclude"]) == ("localhost", "adam", [])
    said = ring.register(question["challenge"]) | {"label": "ring", "challenge": question["challenge"]}
    made = adam.post("/api/v1/passkeys", json=said).json()
    decision = {"decision": "approve", "sha256": made["sha256"]}
    assert sara.post(f"/api/v1/proposals/{made['proposal']}/decisions", json=decision).json()["complete"]
    [listed] = adam.get("/api/v1/passkeys").json()["passkeys"]
    assert (listed["person"], listed["revoked"]) == ("adam", False)

    nobody = program_of(console, "")
    asked = nobody.post("/api/v1/sessions/passkey/challenges").json()
    opened = nobody.post("/api/v1/sessions/passkey", json=ring.sign(asked["challenge"]))
    assert (opened.status_code, opened.json()["person"]) == (200, "adam")
    adam = program_of(console, opened.json()["token"])

    there = "/api/v1" + payout_waiting(console).replace("approvals", "proposals")
    payout = adam.get(there).json()
    assert payout["signed"]
    decision = {"decision": "approve", "sha256": payout["sha256"]}
    refused = adam.post(f"{there}/decisions", json=decision)
    assert (refused.status_code, refused.json()["refused"]) == (403, "approval_must_be_signed")
    elsewhere = device(console, 4)
    elsewhere.origin, elsewhere.counter = "http://localhost:1", 10
    wrong = adam.post(f"{there}/decisions", json=decision | {"assertion": elsewhere.sign(payout["challenge"])})
    assert (wrong.status_code, wrong.json()["refused"]) == (403, "origin_is_not_ours")
    done = adam.post(f"{there}/decisions", json=decision | {"assertion": ring.sign(payout["challenge"])})
    assert done.json()["complete"], done.text
    assert adam.get(there).json()["decisions"][0]["passkey"] == listed["credential"]

    assert adam.delete(f"/api/v1/passkeys/{listed['credential']}").status_code == 204
    again = nobody.post("/api/v1/sessions/passkey/challenges").json()
    gone = nobody.post("/api/v1/sessions/passkey", json=ring.sign(again["challenge"]))
    assert (gone.status_code, gone.json()["refused"]) == (401, "passkey_is_not_known")


def test_an_approved_key_that_a_crash_left_is_enrolled_by_the_core_itself(console):
    core, sessions = console.world.core, console.world.sessions
    found = device(console, 5)
    challenge = keys.new_challenge(core)
    ours = RelyingParty("localhost", found.origin)
    made = keys.propose_key(core, sessions["adam"], "ring", found.registration(challenge), challenge, ours)
    proposals.approve(core, sessions["sara"], made.proposal_id, made.payload_sha256)
    assert keys.enrol_all(core) == 1
    assert keys.enrol_all(core) == 0
    with core.connection() as connection:
        [kept] = keys.in_use(connection, core.book.book_id, "adam")
        said = connection.execute(
            b"SELECT count(*) FROM ledger.journal WHERE code = %s", (int(EventName.PASSKEY_ENROLLED),)
        ).fetchone()
    assert (kept.credential_id, said) == (found.credential_id, (1,))


def test_a_device_for_codes_is_set_up_on_its_page_and_over_http_and_asked_for_at_the_door(console):
    adam = browser_at_localhost(console, "adam")
    page = adam.get("/code-device")
    text = re.search(r'name="secret" value="([A-Z2-7]{32})"', page.text)[1]
    secret = codes.secret_of(text)
    said = {"secret": text, "password": PASSWORD, "code": "000000"}
    refused = post(adam, "/code-device", said, form="/code-device")
    assert (refused.status_code, text in refused.text) == (401, True)
    said["code"] = code_at(console.world.now, secret)
    assert post(adam, "/code-device", said, form="/code-device").status_code == 303
    console.world.wait(seconds=60)

    nobody = browser_at_localhost(console)
    fields = {"name": "adam", "password": PASSWORD}
    assert post(nobody, "/sign-in", fields, form="/sign-in").status_code == 401
    fields["code"] = code_at(console.world.now, secret)
    assert post(nobody, "/sign-in", fields, form="/sign-in").status_code == 303

    console.world.wait(seconds=60)
    asked = {"name": "adam", "password": PASSWORD, "code": code_at(console.world.now, secret)}
    opened = program_of(console, "").post("/api/v1/sessions", json=asked)
    assert opened.status_code == 200, opened.text
    other = bytes(range(20))
    put = {"password": PASSWORD, "secret": codes.text_of(other), "code": code_at(console.world.now, other)}
    assert program_of(console, opened.json()["token"]).put("/api/v1/code-device", json=put).status_code == 204
    first = adam  # the session that the password alone opened, before there was a device
    said = {"secret": text, "password": PASSWORD, "code": code_at(console.world.now, secret)}
    assert post(first, "/code-device", said, form="/code-device").status_code == 403
