"""Escrow's ways in: programs over HTTP, people on the pages, and the command line."""

import json
import os
import subprocess
import sys
from uuid import UUID

import pytest
from lxml import html

from console_world import console_world, post
from ringfence.__main__ import app
from ringfence.escrow.pages import EXAMPLE

SEEN = {"call": "milestone_approved@1", "milestone": "seen", "needed": 1, "parties": ["buyer", "courier"]}


@pytest.fixture
def console(database, tmp_path):
    with console_world(database, tmp_path) as found:
        yield found
        assert found.incidents() == []


def agreement(**other):
    return {
        "agreement": str(UUID(int=0xE5C, version=4)),
        "payer": "evil",
        "currency": "EUR",
        "parties": {"buyer": "customer:evil", "courier": "person:bella", "judge": "person:rita"},
        "claims": {"by": ["buyer"], "arbiters": ["judge"], "needed": 1},
        "tranches": [{"name": "goods", "payees": [{"customer": "c2", "amount": "10.00"}], "release": SEEN}],
        "expires_at": "2026-03-20T00:00:00Z",
        "reference": "one bicycle",
    } | other


def test_a_program_proposes_speaks_for_its_customers_and_sees_what_is_true(console):
    shop = console.program("orders:read", "orders:write")
    made = shop.post("/api/v1/escrow/agreements", json=agreement())
    assert (made.status_code, made.json()["state"]) == (200, "in_force"), made.text
    assert shop.post("/api/v1/escrow/agreements", json=agreement()).json() == made.json()
    path = f"/api/v1/escrow/agreements/{made.json()['id']}"
    [tranche] = made.json()["tranches"]
    assert (tranche["state"], tranche["due"], tranche["release"]["allows"]) == (
        "held", {"amount": "10.00", "currency": "EUR"}, False,
    )  # fmt: skip
    assert tranche["release"]["formula"].startswith("all(milestone_approved@1 seen 1/2 -, no_open_claim@1 +, ")

    def refused(method, where, said=None):
        answer = shop.request(method, where, json=said)
        return answer.status_code, answer.json()["refused"]

    other = agreement(reference="another")
    assert refused("POST", "/api/v1/escrow/agreements", other) == (409, "agreement_id_already_has_other_content")
    twice = json.dumps(agreement(agreement=str(UUID(int=1, version=4)))).replace('"payer"', '"payer": "c1", "payer"')
    answer = shop.post("/api/v1/escrow/agreements", content=twice, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["refused"]) == (422, "document_is_not_json")
    assert refused("POST", f"{path}/tranches/goods/release") == (409, "release_is_not_allowed")
    assert refused("POST", f"{path}/tranches/goods/return") == (409, "return_is_not_allowed")
    assert refused("POST", f"{path}/tranches/none/return") == (404, "tranche_must_exist")
    assert refused("POST", f"{path}/withdrawal") == (409, "agreement_is_not_waiting")
    assert refused("POST", f"{path}/milestones", {"milestone": "seen", "party": "courier"}) == (
        403, "party_must_speak_for_itself",
    )  # fmt: skip
    assert refused("GET", f"/api/v1/escrow/agreements/{UUID(int=3)}") == (404, "agreement_must_exist")

    claim = str(UUID(int=4, version=4))
    said = {"id": claim, "tranche": "goods", "party": "buyer", "reason": "it is blue"}
    assert shop.post(f"{path}/claims", json=said).status_code == 200
    settlement = {"party": "judge", "payees_get": "-1.00"}
    assert refused("POST", f"{path}/claims/{claim}/settlements", settlement)[1] == "settlement_must_fit_the_tranche"
    assert shop.post(f"{path}/milestones", json={"milestone": "seen", "party": "buyer"}).status_code == 200
    rita = post(
        console.browser("rita"), f"/escrow/{made.json()['id']}/settlements",
        {"claim": claim, "party": "judge", "payees_get": "4.00"}, form=f"/escrow/{made.json()['id']}",
    )  # fmt: skip
    assert rita.status_code == 303, rita.text
    done = shop.post(f"{path}/tranches/goods/release").json()
    assert (done["proposal"], done["agreement"]["tranches"][0]["paid"]) == (None, {"amount": "4.00", "currency": "EUR"})
    listed = shop.get("/api/v1/escrow/agreements", params={"customer": "evil", "limit": 1}).json()
    assert [each["id"] for each in listed["agreements"]] == [made.json()["id"]]
    assert listed["next"] is not None
    older = shop.get("/api/v1/escrow/agreements", params={"limit": 5, "before": listed["next"]}).json()
    assert [each["state"] for each in older["agreements"]] == ["in_force"]


def test_people_see_conditions_as_sentences_and_do_what_they_may(console):
    """The treasurer proposes by the form; bella is the courier and says so; who is neither has no button."""
    tina, bella = console.browser("tina"), console.browser("bella")
    said = json.dumps({name: each for name, each in agreement().items() if name not in ("agreement", "reference")})
    identity = str(UUID(int=9, version=4))
    sent = {"identity": identity, "document": said, "reference": "a form"}
    made = post(tina, "/escrow", sent, form="/escrow")
    assert (made.status_code, made.headers["location"]) == (303, f"/escrow/{identity}?said=agreement_proposed")
    page = html.fromstring(tina.get(f"/escrow/{identity}").text)
    told = " ".join(page.xpath("string(//main)").split())
    assert '1 of buyer, courier has approved "seen" · nobody has approved it yet' in told
    assert "Released when" in told
    assert page.xpath("//ul[@class='condition']//ul[@class='condition']")
    assert not page.xpath("//form[contains(@action, 'milestones')]")
    assert post(console.browser("adam"), "/escrow", sent, form="/escrow").status_code == 403

    buttons = html.fromstring(bella.get(f"/escrow/{identity}").text).xpath("//form[contains(@action, 'milestones')]")
    assert [each.xpath("string(.//button)") for each in buttons] == ["Approve “seen” as courier"]
    where = f"/escrow/{identity}/milestones"
    assert post(bella, where, {"milestone": "seen", "party": "courier"}, form=f"/escrow/{identity}").status_code == 303
    assert "approved by courier (" in bella.get(f"/escrow/{identity}").text
    released = post(tina, f"/escrow/{identity}/tranches/goods/release", {}, form=f"/escrow/{identity}")
    assert released.headers["location"] == f"/escrow/{identity}?said=tranche_released"
    assert "The payees got" in tina.get(f"/escrow/{identity}").text
    row = page.xpath("//a[starts-with(@href, '/journal/')]/@href")[-1]
    assert f'href="/escrow/{identity}"' in tina.get(row).text
    for document in ("[]", '{"payer": 1.5}', EXAMPLE.replace("c0001", "nobody")):
        answer = post(
            tina, "/escrow", sent | {"identity": str(UUID(int=10, version=4)), "document": document}, form="/escrow"
        )
        assert answer.status_code in (404, 422), document


def ringfence(home, *words):
    said = {name: text for name, text in os.environ.items() if not name.startswith("RINGFENCE_")}
    done = subprocess.run(
        [sys.executable, "-m", "ringfence", "escrow", *words, "--json"],
        env=said | {"RINGFENCE_HOME": str(home), "RINGFENCE_LANGUAGE": "en"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)


def test_an_agreement_is_explained_before_anybody_signs_it(tmp_path):
    """The example of the page, on the command line, without a book; what is wrong with a file is said by name."""
    (tmp_path / "bicycle.json").write_text(EXAMPLE, encoding="utf-8")
    code, said = ringfence(tmp_path, "explain", str(tmp_path / "bicycle.json"))
    [goods] = said["tranches"]
    assert (code, goods["name"], goods["amount_minor"]) == (0, "goods", "2500")
    assert goods["release_sentence"].startswith('all of these: 1 of buyer, courier has approved "delivered"; ')
    (tmp_path / "bicycle.json").write_text(EXAMPLE.replace("milestone_approved@1", "milestone_approved@9"), "utf-8")
    code, said = ringfence(tmp_path, "explain", str(tmp_path / "bicycle.json"))
    assert (code, said["refused"]) == (2, "condition_is_not_valid")
    assert "tranches[0].release" in said["facts"]["place"]
    assert ringfence(tmp_path, "explain", str(tmp_path / "none.json"))[1]["refused"] == "agreement_file_cannot_be_read"
    assert app.registered_groups
