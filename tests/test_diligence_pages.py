"""Due diligence in the console, over HTTP and on the command line: who may bring, judge, restrict and close."""

import pytest

from console_world import console_world, post
from custody_world import PAYEE
from ringfence.diligence.advancing import advance_all

SCAN = "5a" * 32
NEW = {"name": "Orsolan Veskarimov", "nature": "person", "payee_account": PAYEE, "bank": "bank:alpha:client"}


@pytest.fixture
def console(database, tmp_path):
    with console_world(database, tmp_path) as found:
        yield found
        assert found.incidents() == []


def test_a_file_goes_its_way_on_the_page(console):
    """A treasurer brings papers, an approver judges the likeness, a risk officer restricts; each does his own part."""
    desk = console.world.diligence
    shop, tina = console.program("customers:write", "customers:read"), console.browser("tina")
    assert shop.post("/api/v1/customers", json=NEW | {"id": "n1", "identity_number": "NL5544332"}).status_code == 200
    there = "/diligence/n1"
    paper = {
        "party": "customer",
        "kind": "passport",
        "country": "nl",
        "sha256": SCAN,
        "expires": "",
        "number": "P 12345",
    }
    assert post(tina, f"{there}/documents", paper, form=there).status_code == 303
    assert post(console.browser("adam"), f"{there}/documents", paper, form="/").status_code == 403
    advance_all(desk)
    adam = console.browser("adam")
    page = adam.get(there).text
    assert "RF-001" in page
    assert SCAN[:8] in page
    verdict = {"judged": "somebody else", "reason": "born elsewhere"}
    assert post(tina, f"{there}/matches/customer", verdict, form=there).status_code == 403
    assert post(adam, f"{there}/matches/customer", verdict, form=there).status_code == 303
    advance_all(desk)
    said = shop.get("/api/v1/customers/n1/diligence").json()
    assert (said["file"]["state"], said["missing"], said["people"]) == ("verified", [], False)
    reason = {"direction": "none", "reason": "the court says so"}
    assert post(console.browser("rita"), f"{there}/restriction", reason, form=there).status_code == 303
    assert "the court says so" in tina.get(there).text
    assert post(tina, f"{there}/closing", {}, form=there).status_code == 303
    assert shop.get("/api/v1/customers/n1/diligence").json()["file"]["state"] == "closed"


def test_programs_see_files_tiers_and_what_is_due_and_decide_nothing(console):
    shop = console.program("customers:write", "customers:read")
    tiers = shop.get("/api/v1/diligence/tiers").json()
    assert [each["tier"] for each in tiers["tiers"]] == ["simplified", "standard", "enhanced"]
    assert tiers["tiers"][0]["limits"]["payment"] == {"amount": "50.00", "currency": "EUR"}
    found = shop.get("/api/v1/diligence/files", params={"state": "verified"}).json()["files"]
    assert {"c1", "evil"} <= {each["customer"] for each in found}
    assert shop.get("/api/v1/diligence/files", params={"due_within_days": 30}).json()["files"] == []
    due = shop.get("/api/v1/diligence/files", params={"due_within_days": 800}).json()["files"]
    assert len(due) == len(found)
    owner = {"party": "two", "name": "Zoe", "nature": "person", "identity_number": "Z12345", "share_percent": "0.01"}
    refused = shop.post("/api/v1/customers/evil/owners", json=owner).json()
    assert (refused["refused"], refused["facts"]["percent"]) == ("shares_must_not_exceed_the_whole", "100.01")
    said = {"reason": "because", "direction": "in"}
    assert shop.post("/api/v1/customers/c1/restrictions", json=said).json()["refused"] == "person_lacks_the_role"
    assert shop.get("/api/v1/customers/nobody/diligence").json()["refused"] == "customer_has_no_file"
