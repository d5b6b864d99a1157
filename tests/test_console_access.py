"""The pages and endpoints about who may: training, access, sessions."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from console_world import TOKEN, console_world, post
from custody_world import PASSWORD
from policies import unsigned_toml
from ringfence.authority import policies, proposals
from ringfence.authority.policy import read_toml
from ringfence.serve import server_of
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
    console.browsers[f"api {len(console.browsers)}"] = found
    return found


def refused(answer):
    return answer.status_code, answer.json()["refused"]


def with_courses(console):
    """A policy with courses comes into force: proposed by rita, approved by two."""
    world = console.world
    policy = read_toml(unsigned_toml() + COURSES)
    made = policies.propose_policy(world.core, world.sessions["rita"], policy, world.now)
    for login in ("adam", "bella"):
        proposals.approve(world.core, world.sessions[login], made.proposal_id, made.payload_sha256)
    policies.change_policy(world.core, made.proposal_id)


def test_training_is_recorded_on_its_page_and_over_http(console):
    sara, tina = console.browser("sara"), person(console, "tina")
    assert "requires no course" in sara.get("/training").text
    with_courses(console)
    assert "Money laundering: what to look for" in sara.get("/policy").text
    [aml, custody] = tina.get("/api/v1/policy").json()["courses"]
    title = "Money laundering: what to look for"
    assert aml == {"course": "aml", "title": title, "months": 12, "roles": ["approver"]}
    assert custody["roles"] == ["approver", "risk_officer"]
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


def test_own_sessions_are_listed_and_ended_on_their_page_and_over_http(console):
    tina, sara = console.browser("tina"), person(console, "sara")
    api = person(console, "tina")
    listed = api.get("/api/v1/sessions").json()["sessions"]
    assert {each["person"] for each in listed} == {"tina"}
    [current] = [each for each in listed if each["current"]]
    assert len(listed) == 3  # of the world, of the browser, of the program
    assert {each["person"] for each in sara.get("/api/v1/sessions").json()["sessions"]} > {"tina", "sara"}
    shown = tina.get("/sessions").text
    assert "this one" in shown
    answer = post(tina, f"/sessions/{current['id']}/end", {}, form="/sessions")
    assert answer.headers["location"] == "/sessions?said=session_ended"
    assert refused(api.get("/api/v1/sessions")) == (401, "nobody_is_signed_in")
    other = person(console, "adam")
    [theirs] = [each for each in other.get("/api/v1/sessions").json()["sessions"] if each["current"]]
    assert refused(person(console, "tina").delete(f"/api/v1/sessions/{theirs['id']}")) == (403, "person_lacks_the_role")
    assert sara.delete(f"/api/v1/sessions/{theirs['id']}").status_code == 204
    assert other.get("/api/v1/sessions").status_code == 401
    assert refused(sara.delete(f"/api/v1/sessions/{theirs['id']}")) == (404, "session_must_exist")
    people_page = "/people"
    assert console.browser("sara").get(people_page).text.count("End this session now?") > 3
    console.world.wait(minutes=31)  # everybody else was idle for too long, whatever the end that was written down
    again = httpx.Client(base_url=console.address, headers={"accept": "text/html", "accept-language": "en"}, timeout=60)
    console.browsers["sara again"] = again
    post(again, "/sign-in", {"name": "sara", "password": PASSWORD}, form="/sign-in")
    assert again.get(people_page).text.count("End this session now?") == 1


def test_the_limits_of_the_door_are_set_on_its_page_and_over_http(console):
    sara, tina = console.browser("sara"), person(console, "tina")
    assert tina.get("/api/v1/door").json() == {"idle_seconds": 1800, "session_seconds": 43200, "signature_seconds": 300}
    fields = {"idle_minutes": "10", "session_minutes": "60", "signature_seconds": "60"}
    assert post(sara, "/door", fields, form="/sessions").headers["location"] == "/sessions?said=limits_set"
    assert "after 10 minutes without a request and after 60 minutes in all" in sara.get("/sessions").text
    assert "Set them" not in console.browser("tina").get("/sessions").text
    given = {"idle_seconds": 1800, "session_seconds": 43200, "signature_seconds": 901}
    assert refused(tina.put("/api/v1/door", json=given)) == (403, "person_lacks_the_role")
    api = person(console, "sara")
    assert refused(api.put("/api/v1/door", json=given)) == (422, "door_limits_are_within_bounds")
    assert api.put("/api/v1/door", json=given | {"signature_seconds": 900}).status_code == 204
    assert api.get("/api/v1/door").json()["signature_seconds"] == 900


def test_an_address_that_guesses_waits_and_a_proxy_of_this_machine_says_which_one(console):
    """The same answer for somebody who is there and for nobody, until the address is locked; another address is not."""
    guesser = {"x-forwarded-for": "203.0.113.9"}
    browser = console.browser()
    answers = [
        browser.post("/api/v1/sessions", json={"name": name, "password": "wrong"}, headers=guesser)
        for name in ("tina", *(f"nobody{number}" for number in range(19)))
    ]
    assert {(each.status_code, each.text) for each in answers} == {(401, answers[0].text)}
    again = {"name": "tina", "password": PASSWORD}
    assert refused(browser.post("/api/v1/sessions", json=again, headers=guesser)) == (401, "sign_in_must_wait")
    other = {"x-forwarded-for": "203.0.113.10"}
    assert browser.post("/api/v1/sessions", json=again, headers=other).status_code == 200
    assert post(browser, "/sign-in", again, form="/sign-in").status_code == 303


def test_the_word_of_another_machine_for_an_address_is_left_aside(monkeypatch):
    """The server of `ringfence serve`, as it is made: only a proxy on this machine is asked who its reader is."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    seen: list[str] = []

    async def told(scope, _receive, _send):
        seen.append(scope["client"][0])

    made = server_of(told, "127.0.0.1", 8400)
    made.load()
    for host in ("192.0.2.1", "127.0.0.1"):
        says = [(b"x-forwarded-for", b"203.0.113.9")]
        scope = {"type": "http", "client": (host, 1), "scheme": "http", "headers": says}
        asyncio.run(made.loaded_app(scope, None, None))
    assert seen == ["192.0.2.1", "203.0.113.9"]


def test_cookies_are_bound_to_the_host_where_readers_come_by_https(database, tmp_path):
    """Plain http on this machine cannot have them: a browser takes no `Secure` cookie there."""
    with console_world(database, tmp_path, secure=True) as console:
        shown = console.browser().get("/sign-in")
        [given] = shown.headers.get_list("set-cookie")
        assert given.startswith("__Host-ringfence-form=")
        for part in ("HttpOnly", "Path=/", "SameSite=strict", "Secure"):
            assert part in given
        assert "Domain" not in given
        token = given.partition("=")[2].partition(";")[0]
        page = console.browser().get("/sign-in", headers={"cookie": f"__Host-ringfence-form={token}"})
        form = TOKEN.search(page.text)[1]
        fields = {"name": "tina", "password": PASSWORD, "form_token": form}
        answer = console.browser().post("/sign-in", data=fields, headers={"cookie": f"__Host-ringfence-form={token}"})
        [session] = answer.headers.get_list("set-cookie")
        assert session.startswith("__Host-ringfence=")
        assert "Secure" in session
        assert console.incidents() == []
