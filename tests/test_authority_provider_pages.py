"""Single sign-on in a browser and over HTTP: registered, bound, signed in by; and what somebody in between may try."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

import chromium
from authority_world import World, password_of, world_of
from console_world import post, served
from provider_world import IdentityServer, directory_of, identity_server, location_of
from ringfence.authority import proposals
from ringfence.authority.pages import MODULE, door
from ringfence.authority.providers import Directory, registration
from ringfence.console.application import application
from ringfence.ledger.pages import MODULE as LEDGER
from test_authority_providers import Corp, approve, logout_token, registered, still_there

REFRESH = re.compile(r'http-equiv="refresh" content="0; url=([^"]+)"')


@dataclass
class Place:
    """A console whose people may come in by the provider `corp`."""

    world: World
    server: IdentityServer
    directory: Directory
    address: str
    browsers: list[httpx.Client] = field(default_factory=list)

    def browser(self, login: str | None = None, language: str = "en") -> httpx.Client:
        found = httpx.Client(
            base_url=self.address, headers={"accept": "text/html", "accept-language": language}, timeout=60
        )
        self.browsers.append(found)
        if login:
            answer = post(found, "/sign-in", {"name": login, "password": password_of(login)}, form="/sign-in")
            assert answer.status_code == 303, answer.text
        return found

    def goes(self, browser: httpx.Client, path: str) -> str:
        """The address at which a browser comes back after it was sent to the provider."""
        out = browser.get(path)
        assert out.status_code == 303, out.text
        return location_of(out.headers["location"])

    def binds(self, login: str) -> None:
        browser = self.browser(login)
        back = browser.get(self.goes(browser, "/providers/corp/binding"))
        assert back.status_code == 303, back.text
        proposal = back.headers["location"].partition("?")[0].rpartition("/")[2]
        page = browser.get(f"/approvals/{proposal}")
        assert self.server.subject in page.text
        sara = self.browser("sara")
        sha256 = re.search(r'name="sha256" value="([0-9a-f]{64})"', sara.get(f"/approvals/{proposal}").text)
        fields = {"decision": "approve", "sha256": sha256[1]}
        assert post(sara, f"/approvals/{proposal}", fields, form=f"/approvals/{proposal}").status_code == 303


@pytest.fixture
def place(database, tmp_path) -> Iterator[Place]:
    with world_of(database) as world, identity_server(world.clock) as server:
        directory = directory_of(tmp_path, corp=server)
        app = application(world.core, door(world.core, directory), [MODULE, LEDGER], desks=[directory])
        with capture_logs(processors=[structlog.processors.format_exc_info]) as said, served(app) as address:
            found = Place(world, server, directory, address)
            yield found
            for each in found.browsers:
                each.close()
        assert [each["exception"] for each in said if each["event"] == "incident"] == []


def test_a_provider_is_registered_bound_and_signed_in_by_in_the_browser(place):
    """From nothing: no button; sara proposes, two approve; tess binds, sara approves; tess comes in by the button."""
    assert "/sign-in/with/" not in place.browser().get("/sign-in").text
    sara = place.browser("sara")
    made = post(sara, "/providers/corp/proposals", {}, form="/providers")
    proposal = made.headers["location"].partition("?")[0]
    page = sara.get(proposal).text
    assert place.server.url in page
    assert "thumbprints of its keys" in page
    world = place.world
    [waiting] = proposals.pending(world.connect("core"), world.book, world.clock(), registration.SET)
    approve(place.world, waiting, "abel", "rita")
    registration.carry_out_all(place.world.core)
    assert "in use" in sara.get("/providers").text

    place.binds("tess")
    assert place.server.subject in sara.get("/providers").text, "who watches over people sees it"
    assert place.server.subject not in place.browser("abel").get("/providers").text

    somebody = place.browser()
    page = somebody.get("/sign-in?back=/approvals").text
    [button] = re.findall(r'href="(/sign-in/with/corp[^"]+)"', page)
    assert "Sign in with Example Corp" in page
    assert "以示例corp登录" in place.browser(language="zh").get("/sign-in").text
    inside = somebody.get(place.goes(somebody, html.unescape(button)))
    assert (inside.status_code, inside.headers["location"]) == (303, "/approvals")
    assert "Tess" in somebody.get("/approvals").text

    released = post(somebody, "/providers/corp/identities/tess/release", {}, form="/providers")
    assert released.status_code == 303
    outside = place.browser()
    refused = outside.get(place.goes(outside, "/sign-in/with/corp"))
    assert refused.status_code == 401
    assert "not that of a person here" in refused.text
    assert post(sara, "/providers/corp/removal", {}, form="/providers").status_code == 303
    assert "/sign-in/with/" not in place.browser().get("/sign-in").text


def test_who_comes_back_without_cookies_is_sent_once_through_a_page_of_ours(place):
    """A browser that comes by the provider's link sends no cookie that is ours alone; the page loads itself again."""
    registered(place.world, place.directory)
    browser = place.browser()
    location = place.goes(browser, "/sign-in/with/corp")
    stranger = place.browser()
    page = stranger.get(location)
    assert page.status_code == 200
    assert "set-cookie" not in page.headers, "the browser has its cookies, it only did not send them"
    onward = html.unescape(REFRESH.search(page.text)[1])
    assert onward.startswith("/sign-in/return/corp?")
    refused = stranger.get(onward)
    assert refused.status_code == 403
    assert "did not begin this sign-in" in refused.text


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_another_place_after_the_sign_in(place, back):
    registered(place.world, place.directory)
    place.binds("tess")
    browser = place.browser()
    inside = browser.get(place.goes(browser, f"/sign-in/with/corp?back={back}"))
    assert (inside.status_code, inside.headers["location"]) == (303, "/")


@pytest.mark.skipif(chromium.program() is None, reason="there is no Chromium on this machine")
def test_a_real_browser_comes_back_from_another_site_and_is_in(place):
    """The provider has a page of its own, at another site; the browser sends our cookies only to our own pages."""
    place.server.asks = True
    registered(place.world, place.directory)
    place.server.asks = False
    place.binds("tess")
    place.server.asks = True
    address = place.address.replace("127.0.0.1", "localhost")
    with chromium.opened() as tab:
        tab.tell("Log.enable")
        tab.open(f"{address}/sign-in?back=/approvals")
        tab.press(".by-provider a")
        tab.wait_for("location.hostname === '127.0.0.1'")
        tab.press("#go")
        tab.wait_for("location.pathname === '/approvals' && location.hostname === 'localhost'")
        tab.wait_for("document.body.innerText.includes('Tess')")
        left = {cookie["name"] for cookie in tab.tell("Network.getCookies", urls=[address])["cookies"]}
        assert "ringfence" in left
        assert "ringfence-way" not in left
        assert not [each for each in tab.happened if each.get("method") == "Log.entryAdded"]


def test_a_provider_logs_somebody_out_over_http(place):
    """The provider's own request: a form without a cookie or token; what is no logout token is refused by name."""
    registered(place.world, place.directory)
    place.binds("tess")
    browser = place.browser()
    corp = Corp(place.world, place.server, place.directory)
    assert still_there(corp, corp.sign_in())
    there = "/api/v1/providers/corp/logouts"
    answer = browser.post(there, data={"logout_token": logout_token(corp)})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert browser.post(there, data={"logout_token": "x"}).json()["refused"] == "id_token_is_not_valid"
    assert browser.post(there, data={}).status_code == 422
    nowhere = there.replace("corp", "other")
    assert browser.post(nowhere, data={"logout_token": logout_token(corp)}).json()["refused"] == "provider_must_exist"
