"""Passkeys in a real Chromium with its own virtual authenticator: the pages' script, the device's bytes, our checks."""

from collections.abc import Iterator

import pytest

import chromium
from chromium import Tab
from console_world import Console, console_world, post
from custody_world import PASSWORD
from ringfence.authority import proposals
from test_authority_passkey_pages import browser_at_localhost, payout_waiting, signing_policy

pytestmark = pytest.mark.skipif(chromium.program() is None, reason="there is no Chromium on this machine")

# What a page would do that leaves the user unverified: the question is changed on its way to the device.
CARELESS = """
{ const asked = navigator.credentials.get.bind(navigator.credentials);
  navigator.credentials.get = (question) => {
    question.publicKey.userVerification = "discouraged";
    return asked(question);
  }; }
"""


@pytest.fixture
def console(database, tmp_path) -> Iterator[Console]:
    with console_world(database, tmp_path, policy=signing_policy()) as found:
        yield found
        assert found.incidents() == []


@pytest.fixture
def tab() -> Iterator[Tab]:
    with chromium.opened() as found:
        yield found


def test_a_person_registers_a_passkey_signs_in_by_it_and_moves_a_payout_by_it(console, tab):
    address = console.address.replace("127.0.0.1", "localhost")
    _sign_in_by_password(tab, address)
    _register(console, tab, address)
    tab.press(".sign-out button")
    tab.wait_for("location.pathname === '/sign-in'")

    tab.script(CARELESS)
    tab.press("[data-passkey]")
    tab.wait_for("document.body.innerText.includes('did not verify who uses it')")

    tab.open(f"{address}/sign-in")
    tab.press("[data-passkey]")
    tab.wait_for("location.pathname === '/'")

    there = payout_waiting(console)
    tab.open(address + there)
    assert "each signed by a passkey" in tab.text()
    assert tab.script("document.querySelectorAll('button[value=approve]').length") == 1

    tab.verify_user(verified=False)
    tab.press("[data-passkey]")
    tab.wait_for("!document.querySelector('[data-passkey-said]').hidden")
    tab.script(CARELESS)
    tab.press("[data-passkey]")
    tab.wait_for("document.body.innerText.includes('did not verify who uses it')")
    assert _payout(console, there).state == "open"

    tab.verify_user(verified=True)
    tab.open(address + there)
    tab.press("[data-passkey]")
    tab.wait_for("document.body.innerText.includes('signed by passkey')")
    done = _payout(console, there)
    assert done.state != "open"
    [decision] = done.decisions
    assert decision.assertion
    assert decision.assertion.authenticator_data[32] & 0x05 == 0x05


def test_no_page_of_passkeys_breaks_the_content_security_policy(console, tab):
    """The browser says so on its console; what it says of a script that somebody slips in is the test of this test."""
    address = console.address.replace("127.0.0.1", "localhost")
    tab.tell("Log.enable")
    tab.open(f"{address}/sign-in")
    _sign_in_by_password(tab, address)
    for path in ("/passkeys", payout_waiting(console)):
        tab.open(address + path)
        assert tab.script("document.querySelectorAll('script').length") == 2
    assert _complaints(tab) == []
    tab.script(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'let slipped = 1'}))"
    )
    assert len(_complaints(tab)) == 1


def _complaints(tab: Tab) -> list[str]:
    tab.script("1")
    said = [each["params"]["entry"]["text"] for each in tab.happened if each.get("method") == "Log.entryAdded"]
    return [each for each in said if "Content Security Policy" in each]


def _sign_in_by_password(tab: Tab, address: str) -> None:
    tab.open(f"{address}/sign-in")
    tab.fill("#name", "adam")
    tab.fill("#password", PASSWORD)
    tab.press("form[action='/sign-in'] button")
    tab.wait_for("location.pathname === '/'")


def _register(console: Console, tab: Tab, address: str) -> None:
    tab.open(f"{address}/passkeys")
    tab.fill("#label", "Chromium's own")
    tab.press("[data-passkey]")
    there = tab.wait_for("location.pathname.startsWith('/approvals/') && location.pathname")
    sara = browser_at_localhost(console, "sara")
    digest = _payout(console, there).payload_sha256.hex()
    assert post(sara, there, {"decision": "approve", "sha256": digest}, form=there).status_code == 303
    tab.open(f"{address}/passkeys")
    assert "Chromium's own" in tab.text()


def _payout(console: Console, there: str) -> proposals.Proposal:
    with console.world.core.connection() as connection:
        return proposals.proposal_of(connection, console.world.core.book.book_id, there.rpartition("/")[2])
