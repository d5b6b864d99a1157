"""The pages and endpoints about who may: training, access, sessions."""

from datetime import timedelta

import httpx
import pytest

from console_world import PASSWORD, console_world, post
from ringfence.authority import policies, proposals
from ringfence.authority.policy import default_toml, read_toml
from test_authority_training import COURSES


@pytest.fixture
def console(database, tmp_path):
    with console_world(database, tmp_path) as found:
        yield found
        assert found.incidents() == []


def person(console, login):
    """A person's program: a token of a session."""
    token = console.browser().post("/api/v1/sessions", json={"name": login, "password": PASSWORD}).json()["token"]
    found = httpx.Client(base_url=console.address, headers={"authorization": f"Bearer {token}"}, timeout=60)
    console.browsers[f"api {login}"] = found
    return found


def refused(answer):
    return answer.status_code, answer.json()["refused"]


def with_courses(console):
    """A policy with courses comes into force: proposed by rita, approved by two."""
    world = console.world
    policy = read_toml(default_toml() + COURSES)
    made = policies.propose_policy(world.core, world.sessions["rita"], policy, world.now)
    for login in ("adam", "bella"):
        proposals.approve(world.core, world.sessions[login], made.proposal_id, made.payload_sha256)
    policies.change_policy(world.core, made.proposal_id)


def test_training_is_recorded_on_its_page_and_over_http(console):
    sara, tina = console.browser("sara"), person(console, "tina")
    assert "requires no course" in sara.get("/training").text
    with_courses(console)
    assert "Money laundering: what to look for" in sara.get("/policy").text
    shown = sara.get("/training").text
    assert shown.count("missing") == 5
    day = (console.world.now - timedelta(days=340)).date().isoformat()
    done = {"person": "adam", "course": "aml", "completed_on": day}
    assert post(sara, "/training/completions", done, form="/training").headers["location"] == (
        "/training?said=completion_recorded"
    )
    assert "soon" in sara.get("/training").text
    assert refused(tina.post("/api/v1/training/completions", json=done)) == (403, "person_lacks_the_role")
    api = person(console, "sara")
    assert api.post("/api/v1/training/completions", json=done | {"course": "custody"}).status_code == 204
    assert refused(api.post("/api/v1/training/completions", json=done | {"course": "x1"})) == (404, "course_must_exist")
    found = tina.get("/api/v1/training").json()
    states = {(each["person"], each["course"]): each["state"] for each in found["people"]}
    assert states == {
        ("adam", "aml"): "soon",
        ("adam", "custody"): "lapsed",
        ("bella", "aml"): "missing",
        ("bella", "custody"): "missing",
        ("rita", "custody"): "missing",
    }
    [first, second] = [each["sequence"] for each in found["completions"]]
    assert api.delete(f"/api/v1/training/completions/{first}").status_code == 204
    assert refused(api.delete(f"/api/v1/training/completions/{first}")) == (404, "completion_must_exist")
    assert post(sara, f"/training/completions/{second}/withdrawal", {}, form="/training").status_code == 303
    assert sara.get("/training").text.count("withdrawn") >= 2
    browser = console.browser("adam")
    waiting = browser.get("/approvals").text
    assert "course that the role requires" not in waiting  # made under the policy before


def test_the_review_of_access_stands_on_the_page_of_people_and_is_recorded(console):
    sara, tina = console.browser("sara"), person(console, "tina")
    shown = sara.get("/people").text
    assert "role_is_held_by_nobody" in shown
    assert "Nobody is auditor." in shown
    assert "Nobody has reviewed it yet." in shown
    assert "Review of access" not in console.browser("tina").get("/people").text
    assert refused(tina.get("/api/v1/access")) == (403, "person_lacks_the_role")
    assert refused(tina.post("/api/v1/access/reviews")) == (403, "person_lacks_the_role")
    assert post(sara, "/access/reviews", {}, form="/people").headers["location"] == "/people?said=access_reviewed"
    assert "Last reviewed by sara" in sara.get("/people").text
    api = person(console, "sara")
    found = api.get("/api/v1/access", headers={"accept-language": "zh"}).json()
    assert "无人担任 auditor。" in {each["sentence"] for each in found["findings"]}
    [recorded] = found["reviews"]
    assert (recorded["person"], recorded["findings"]) == ("sara", len(found["findings"]))
    assert recorded["state_sha256"] == found["state_sha256"]
    assert api.post("/api/v1/access/reviews").json() == {"findings": len(found["findings"])}
