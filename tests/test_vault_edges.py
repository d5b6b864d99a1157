"""The vault on pages, over HTTP, in the log and on the command line: masked everywhere, revealed to who may, once."""

import json
import os
import subprocess
import sys

import pytest
from lxml import html

from console_world import console_world, post
from custody_world import PAYEE
from ringfence import installation
from ringfence.custody import customers
from ringfence.settings import read_settings
from ringfence.vault.fields import PHONE
from ringfence.vault.keeping import owner
from test_project_reference import documented, shape

IDENTITY = "11010519491231002X"
OTHER = "11010519491231099X"
MOBILE = "+8613812345678"
CARD = "6222020200112233445"
SEEN = "custody.customer.identity_number"


@pytest.fixture(scope="module")
def console(module_database, tmp_path_factory):
    """One console for all tests of this file, each with customers of its own."""
    with console_world(module_database, tmp_path_factory.mktemp("console")) as found:
        yield found
        assert found.incidents() == []


def text_of(answer):
    return html.fromstring(answer.text).xpath("string(//main)")


def test_a_platform_registers_with_what_is_sensitive_and_reads_masks(console):
    shop = console.program("customers:read", "customers:write")
    new = {"id": "c9", "name": "Ann", "nature": "person", "payee_account": CARD, "bank": "bank:alpha:client"}
    said = shop.post("/api/v1/customers", json=new | {"identity_number": IDENTITY, "phone": MOBILE}).json()
    assert (said["identity_number"], said["phone"], said["payee_account"]) == (
        "110••••002X",
        "+86••••5678",
        "6222••••3445",
    )
    assert shop.get("/api/v1/customers/c9").json() == said
    assert shop.get("/api/v1/customers/c1").json()["phone"] is None
    twice = shop.post("/api/v1/customers", json=new | {"id": "c10", "identity_number": IDENTITY.lower()}).json()
    assert twice["refused"] == "identity_has_an_account_already"
    wrong = shop.post("/api/v1/customers", json=new | {"id": "c11", "phone": "call me"}).json()
    assert (wrong["refused"], wrong["facts"]) == ("phone_is_malformed", {})

    def look_up(field, value):
        answer = shop.post("/api/v1/customers/look-ups", json={"field": field, "value": value}).json()
        return [each["id"] for each in answer["customers"]]

    assert look_up("phone", "+86 138-1234-5678") == ["c9"]
    assert look_up("identity_number", "none") == []
    assert look_up("payee_account", PAYEE) == ["c1", "c2", "c3", "evil"]
    logged = json.dumps(console.said, default=str)
    assert not [value for value in (IDENTITY, MOBILE, CARD, PAYEE) if value in logged]


def test_over_http_a_value_is_revealed_to_a_person_who_may_and_to_no_program(console):
    asked = {"field": "custody.customer.payee_account", "row": "c1", "reason": "bank_asks", "note": "desk 4"}
    for scopes in (("customers:read",), ("position:read", "orders:read", "customers:write")):
        refused = console.program(*scopes).post("/api/v1/vault/reveals", json=asked).json()
        assert refused["refused"] == "person_lacks_the_role"
    people = {name: console.browser(name) for name in ("rita", "tina")}
    tokens = {name: each.cookies.get("ringfence") for name, each in people.items()}

    def see(name, **other):
        headers = {"authorization": f"Bearer {tokens[name]}"}
        return console.browser().post("/api/v1/vault/reveals", json=asked | other, headers=headers)

    assert see("tina").json()["refused"] == "person_lacks_the_role"
    assert see("rita", reason="because").json()["refused"] == "reveal_must_have_a_reason"
    assert see("rita", row="nobody").json()["refused"] == "field_is_not_kept"
    answer = see("rita")
    assert answer.json()["value"] == PAYEE
    assert answer.headers["cache-control"] == "no-store"
    row = people["rita"].get(f"/journal/{answer.json()['sequence']}")
    assert "bank_asks" in row.text
    assert PAYEE not in row.text


def test_on_the_page_masks_are_shown_and_the_whole_value_after_a_reason(console):
    vault = console.world.desk.vault
    ann = {"name": "Ann", "nature": "person", "payee_account": CARD, "bank": "bank:alpha:client"}
    customers.register(console.world.core, vault, "c19", **ann, identity_number=OTHER, phone=MOBILE)
    rita, tina, auditor = (console.browser(name) for name in ("rita", "tina", "sara"))
    for browser in (rita, tina, auditor):
        page = text_of(browser.get("/customers/c19"))
        assert [each for each in ("110••••099X", "+86••••5678", "6222••••3445") if each not in page] == []
        assert not [value for value in (OTHER, MOBILE, CARD) if value in page]
    assert "/vault/fields/" in rita.get("/customers/c19").text
    assert "/vault/fields/" not in tina.get("/customers/c19").text
    there = f"/vault/fields/{SEEN}/c19"
    assert OTHER not in rita.get(there).text
    assert "Your roles do not let you" in text_of(tina.get(there))
    answer = post(rita, there, {"reason": "customer_asks", "note": "at the desk"}, form=there)
    assert (answer.status_code, OTHER in answer.text) == (200, True)
    assert answer.headers["cache-control"] == "no-store"
    assert OTHER not in rita.get(there).text, "once"
    vault_page = text_of(auditor.get("/vault"))
    assert [
        each for each in ("rita", "c19", "at the desk", "no row uses a retired key") if each not in vault_page
    ] == []
    assert rita.get("/vault/fields/custody.customer.name/c9").status_code == 422


def test_no_page_and_no_answer_shows_an_account_in_the_clear(console):
    """Everything that a signed-in person can ask for without a parameter of a reveal, on a day with payouts."""
    rita = console.browser("rita")
    orders = rita.get("/api/v1/orders").json()["orders"]
    addresses = [f"/orders/{each['id']}" for each in orders] + [f"/api/v1/orders/{each['id']}" for each in orders]
    proposals = rita.get("/api/v1/proposals").json()["proposals"]
    assert proposals
    addresses += [f"/approvals/{each['id']}" for each in proposals]
    addresses += ["/customers", "/customers/c1", "/api/v1/customers/c1", "/orders", "/receipts", "/approvals", "/vault"]
    addresses += ["/api/v1/proposals", "/api/v1/customers", "/api/v1/vault", "/statements", "/journal"]
    shown = {address: rita.get(address).text for address in addresses}
    assert [address for address, text in shown.items() if PAYEE in text] == []
    assert any(f"{PAYEE[:4]}••••{PAYEE[-4:]}" in text for address, text in shown.items() if "/approvals/" in address)


def test_a_customer_is_erased_from_the_page_when_two_have_agreed(console):
    tina, adam, rita = (console.browser(name) for name in ("tina", "adam", "rita"))
    particulars = {"name": "Ann Eight", "nature": "person", "payee_account": PAYEE, "bank": "bank:alpha:client"}
    customers.register(console.world.core, console.world.desk.vault, "c8", **particulars)
    there = "/customers/c8"
    proposed = post(tina, f"{there}/erasure", {"reason": "asked in writing"}, form=there)
    approval = proposed.headers["location"].partition("?")[0]
    assert approval.startswith("/approvals/")
    for browser in (adam, rita):
        sha = html.fromstring(browser.get(approval).text).xpath("//input[@name='sha256']/@value")[0]
        post(browser, approval, {"decision": "approve", "sha256": sha}, form=approval)
    page = text_of(tina.get(there))
    assert "erased" in page
    assert "••••" not in page
    refused = post(tina, "/customers/c1/erasure", {"reason": "asked"}, form="/customers/c1")
    assert refused.status_code == 409


# -- the command line ------------------------------------------------------------------------------------------------

PEOPLE = """
[[people]]
login = "grace"
name = "Grace"
roles = ["treasurer"]
[[people]]
login = "alan"
name = "Alan"
roles = ["approver"]
[[people]]
login = "edsger"
name = "Edsger"
roles = ["approver"]
[[people]]
login = "barbara"
name = "Barbara"
roles = ["risk_officer"]
[[people]]
login = "radia"
name = "Radia"
roles = ["security_admin"]
[[people]]
login = "ken"
name = "Ken"
roles = ["system_admin"]
"""


def run(home, *words, ends=0, **environment):
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RINGFENCE_")}
    done = subprocess.run(
        [sys.executable, "-m", "ringfence", *words, "--json", "--home", str(home)],
        env=kept | {"RINGFENCE_LANGUAGE": "en"} | environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == ends, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_the_verbs_count_rotate_and_reveal(tmp_path):
    """A field is kept, its key begins to leave and the count says no; a rotation, and it says yes."""
    (tmp_path / "people.toml").write_text(PEOPLE)
    home, page = tmp_path / "home", documented()
    founded = run(home, "book", "found", "own", "--people", str(tmp_path / "people.toml"), "--generate")
    password = {each["login"]: each["password"] for each in founded["people"]}
    settings = read_settings({}, home)
    with installation.opened(settings) as server, installation.core_of(server, "own") as core:
        vault = installation.vault_of(settings, core)
        with core.connection() as connection:
            connection.execute(*vault.keep(owner("c1"), PHONE, "c1", MOBILE))
        new, wrapping = vault.new_field_key(owner("c1"))
        row = vault.wrapped_row(new, wrapping) | {"was": vault.field_key(owner("c1")).key_id, "at": core.clock()}
        with core.connection() as connection:
            connection.execute(
                b"SELECT vault.replace_field_key(%(book)s, %(was)s, %(key)s, %(algorithm)s, %(wrapping)s, %(wrapped)s,"
                b" NULL, %(at)s)",
                row,
            )
    assert run(home, "vault", "status", "--book", "own", ends=1)["left_under_retired_keys"] == 1
    said = run(home, "vault", "rotate", "--keys", "field", "--book", "own")
    assert (said["left_under_retired_keys"], said["fields"]) == (0, 1)
    assert [each["keys"] for each in said["rotated"]] == ["field"]
    counted = run(home, "vault", "status", "--book", "own")
    for verb, found in (("vault rotate", said), ("vault status", counted)):
        assert shape(found | {"keys": found["keys"][-1:]}) == shape(page[verb])
    assert shape(run(home, "vault", "algorithms")) == shape(page["vault algorithms"])
    asked = ("vault", "reveal", PHONE.place, "c1", "--book", "own", "--as", "barbara", "--reason")
    seen = run(home, *asked, "audit", RINGFENCE_PASSWORD=password["barbara"])
    assert (seen["value"], shape(seen)) == (MOBILE, shape(page["vault reveal"]))
