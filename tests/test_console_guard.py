"""What surrounds every answer of the console: hosts, sizes, headers, incidents, the log, the metrics, the colours."""

import json
import logging
import re
import socket
from dataclasses import replace
from importlib import resources
from io import StringIO

import httpx
import pytest
import structlog

from console_world import PASSWORD, console_world, modules, post, served
from ringfence.console import log
from ringfence.console.application import application, static_files
from ringfence.console.guard import BODY_BYTES_MAX, HEADERS
from ringfence.database.refusals import DATABASE_IS_LOST
from ringfence.web.shell import Caller


@pytest.fixture
def console(database, tmp_path):
    with console_world(database, tmp_path) as found:
        yield found


def test_every_answer_carries_the_headers(console):
    browser = console.browser("tina")
    for address in (
        "/",
        "/sign-in",
        "/nowhere",
        "/healthz",
        "/static/console.css",
        "/api/v1/journal",
        "/api/v1/nowhere",
    ):
        answer = browser.get(address)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, address
        assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-request-id"]), address
        assert "server" not in answer.headers
        stored = "no-cache" if address.startswith("/static/") else "no-store"
        assert answer.headers["cache-control"] == stored, address
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")


def test_every_answer_says_what_it_is_and_in_which_letters(console):
    """Also what is not there: no folder is listed, and nothing but named files of the package is served."""
    browser = console.browser("tina")
    for address, status, kind in (
        ("/", 200, "text/html; charset=utf-8"),
        ("/nowhere", 404, "text/html; charset=utf-8"),
        ("/static/", 404, "text/html; charset=utf-8"),
        ("/static/../guard.py", 404, "text/html; charset=utf-8"),
        ("/.git/config", 404, "text/html; charset=utf-8"),
        ("/api/v1/journal", 200, "application/json"),
        ("/api/v1/nowhere", 404, "application/json"),
        ("/static/console.js", 200, "text/javascript; charset=utf-8"),
        ("/static/console.css", 200, "text/css; charset=utf-8"),
        ("/static/ringfence.svg", 200, "image/svg+xml"),
    ):
        answer = browser.get(address)
        assert (answer.status_code, answer.headers["content-type"]) == (status, kind), address


def test_no_other_origin_is_let_in(console):
    """Neither a page of another site that asks in a browser that is signed in, nor its question whether it may."""
    browser = console.browser("tina")
    for method, address in (("GET", "/"), ("GET", "/api/v1/journal"), ("OPTIONS", "/api/v1/freezes")):
        asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
        answer = browser.request(method, address, headers=asked)
        assert [name for name in answer.headers if name.startswith("access-control-")] == [], address
    assert answer.status_code == 405


def test_a_password_is_typed_unseen_and_may_come_from_a_keeper(console):
    browser = console.browser("tina")
    for page, names in ((console.browser(), {"/sign-in": 1}), (browser, {"/password": 2})):
        for address, count in names.items():
            fields = re.findall(r'<input[^>]* type="password"[^>]*>', page.get(address).text)
            assert len(fields) == count, address
            assert all(re.search(r'autocomplete="(current|new)-password"', each) for each in fields), address
            assert not any("onpaste" in each or "maxlength" in each for each in fields), address
    assert not [name for name, content in static_files().items() if b"paste" in content]


def test_static_files_are_kept_by_their_version(console):
    browser = console.browser()
    page = browser.get("/sign-in").text
    address = re.search(r'href="(/static/console\.css\?v=[0-9a-f]{12})"', page)[1]
    answer = browser.get(address)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")


def test_nothing_is_fetched_from_elsewhere():
    for name, content in static_files().items():
        found = re.findall(rb"https?://[^\s\"')]+", content)
        assert [each for each in found if b"www.w3.org/2000/svg" not in each] == [], name


def test_another_host_is_not_answered(console):
    browser = console.browser()
    for host in ("evil.example", "127.0.0.1.evil.example", "", "127.0.0.1@evil.example"):
        answer = browser.get("/healthz", headers={"host": host})
        assert answer.status_code in (400, 421), host
    for host in ("127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:8080"):
        assert browser.get("/healthz", headers={"host": host}).status_code == 200, host


def test_methods_that_nobody_offers_are_refused(console):
    browser = console.browser("tina")
    for method, address in (
        ("TRACE", "/"),
        ("PATCH", "/orders"),
        ("OPTIONS", "/"),
        ("DELETE", "/orders"),
        ("POST", "/"),
    ):
        answer = browser.request(method, address)
        assert answer.status_code in (403, 405), (method, address)
    assert browser.request("PUT", "/api/v1/orders").json()["refused"] == "method_is_not_offered"
    assert browser.request("PUT", "/api/v1/orders").headers["allow"] == "GET"


def test_a_head_is_a_get_without_its_body(console):
    browser = console.browser("tina")
    answer = browser.head("/journal")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/html")


def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(console):
    browser = console.browser()
    large = b"x" * (BODY_BYTES_MAX + 1)
    assert browser.post("/sign-in", content=large).status_code == 413
    assert browser.post("/sign-in", content=iter([large[:700_000], large[700_000:]])).status_code == 413
    assert browser.post("/sign-in", content=large[:-1]).status_code == 403


def test_a_lie_about_the_length_hangs_nobody(console):
    """A client promises more than it sends and leaves."""
    port = int(console.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nname=")
    assert console.browser().get("/healthz").status_code == 200


def test_where_a_request_ends_is_said_by_its_chunks_and_not_by_a_length_besides(console):
    """Whoever says both hides no second request in the first: what follows the last chunk is the next request."""
    port = int(console.address.rpartition(":")[2])
    both = b"Host: 127.0.0.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nname=x\r\n0\r\n\r\n"
    following = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
        plain.sendall(b"POST /sign-in HTTP/1.1\r\n" + both + following)
        answered = b"".join(iter(lambda: plain.recv(65_536), b""))
    assert re.findall(rb"HTTP/1\.1 (\d{3})", answered) == [b"403", b"200"]


def test_what_nobody_foresaw_gets_a_number_and_tells_nothing(console, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr("ringfence.ledger.pages.row_of", fails)
    monkeypatch.setattr("ringfence.ledger.routes.row_of", fails)
    browser = console.browser("tina")
    page = browser.get("/journal/3?because=secret")
    assert page.status_code == 500
    assert "swordfish" not in page.text
    assert "Traceback" not in page.text
    number = re.search(r"incident ([0-9a-f-]{36})", page.text)[1]
    assert number == page.headers["x-request-id"]
    [recorded] = [each for each in console.said if each["event"] == "incident"]
    assert recorded["incident"] == number
    assert "swordfish" in recorded["exception"]
    answer = browser.get("/api/v1/journal/3")
    assert (answer.status_code, answer.json()["refused"]) == (500, "program_failed")
    assert "ringfence_http_incidents_total 2.0" in browser.get("/metrics").text


def test_the_log_has_a_line_for_each_request_and_no_secret(console):
    browser = console.browser("tina")
    browser.get("/customers?search=Ann+Number")
    browser.get("/api/v1/journal", headers={"authorization": "Bearer rf_not-a-token"})
    browser.get("/api/v1/access")
    post(console.browser(), "/sign-in", {"name": "adam", "password": "wrong horse 1"}, form="/sign-in")
    browser.get("/healthz")
    lines = [each for each in console.said if each["event"] == "request"]
    assert {"caller", "method", "path", "status", "milliseconds", "request", "refused"} <= lines[0].keys()
    searched = next(each for each in lines if each["path"] == "/customers")
    assert (searched["caller"], searched["status"], searched["refused"]) == ("tina", 200, None)
    unknown = next(each for each in lines if each["path"] == "/api/v1/journal")
    assert (unknown["caller"], unknown["status"], unknown["refused"]) == (None, 401, "nobody_is_signed_in")
    forbidden = next(each for each in lines if each["path"] == "/api/v1/access")
    assert (forbidden["caller"], forbidden["status"], forbidden["refused"]) == ("tina", 403, "person_lacks_the_role")
    failed = next(each for each in lines if each["method"] == "POST" and each["refused"])
    assert (failed["path"], failed["status"], failed["refused"]) == ("/sign-in", 401, "sign_in_refused")
    said = json.dumps(console.said, default=str)
    for secret in (
        PASSWORD,
        "wrong horse",
        "Ann",
        "rf_not",
        browser.cookies["ringfence"],
        browser.cookies["ringfence-form"],
    ):
        assert secret not in said


def test_log_lines_are_json():
    """One object a line whatever is said, exceptions in it whole, the standard library's loggers alike, UTC."""
    root = logging.getLogger()
    before = (root.handlers, root.level)
    stream = StringIO()
    try:
        log.configure(stream)
        structlog.get_logger("http").info("request", path='/客户\n{"event": "forged"}')
        logging.getLogger("uvicorn.error").warning("careful: %s", "now")
        try:
            int("why")
        except ValueError:
            structlog.get_logger("http").exception("incident")
    finally:
        root.handlers, root.level = before
        structlog.reset_defaults()
    first, second, third = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert (first["event"], first["path"], first["level"]) == ("request", '/客户\n{"event": "forged"}', "info")
    assert second["event"] == "careful: now"
    assert all(each["timestamp"].endswith("Z") for each in (first, second, third))
    assert "ValueError: invalid literal" in third["exception"]


def test_health_is_for_everybody_and_says_nothing_of_the_book(console):
    answer = console.browser().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_metrics_are_for_this_machine_or_who_may_read_them(console):
    browser = console.browser()
    browser.get("/sign-in")
    text = browser.get("/metrics").text
    assert re.search(r'ringfence_http_requests_total\{method="GET",route="/sign-in",status="200"\} \d', text)
    assert 'ringfence_book_head{book="demo"}' in text
    assert "c1" not in text
    through_a_proxy = {"x-forwarded-for": "203.0.113.7"}
    assert browser.get("/metrics", headers=through_a_proxy).status_code == 403
    said = {"name": "sara", "password": PASSWORD}
    token = browser.post("/api/v1/sessions", json=said).json()["token"]
    answer = browser.get("/metrics", headers=through_a_proxy | {"authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_metrics_do_not_grow_with_what_is_asked(console):
    browser = console.browser("tina")
    for number in range(5):
        browser.get(f"/journal/{number}")
        browser.get(f"/nowhere/{number}")
    text = browser.get("/metrics").text
    assert 'route="/journal/{sequence}",status="200"} 5.0' in text
    assert "/nowhere/" not in text


def test_behind_https_cookies_are_bound_to_the_host(console):
    """The same application told that its readers come by https."""
    app = application(console.world.core, console.app.state.shell.door, modules(), secure=True)
    with served(app) as address, httpx.Client(base_url=address, headers={"accept": "text/html"}) as browser:
        answer = browser.get("/sign-in")
        assert re.fullmatch(
            r"__Host-ringfence-form=[\w-]{43}; HttpOnly; Path=/; SameSite=strict; Secure", answer.headers["set-cookie"]
        )
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        secret = answer.headers["set-cookie"].partition(";")[0]
        token = re.search(r'form_token" value="(\w+)"', answer.text)[1]
        fields = {"name": "tina", "password": PASSWORD, "form_token": token}
        signed = browser.post("/sign-in", data=fields, headers={"cookie": secret})
        assert re.fullmatch(
            r"__Host-ringfence=[\w-]{43}; HttpOnly; Path=/; SameSite=strict; Secure", signed.headers["set-cookie"]
        )


def test_the_session_cookie_is_not_for_scripts_nor_other_sites(console):
    browser = console.browser()
    answer = post(browser, "/sign-in", {"name": "adam", "password": PASSWORD}, form="/sign-in")
    [cookie] = answer.headers.get_list("set-cookie")
    assert re.fullmatch(r"ringfence=[\w-]{43}; HttpOnly; Path=/; SameSite=strict", cookie)


def test_when_the_database_is_away_the_answer_is_a_refusal(console, monkeypatch):
    def lost(_: str) -> Caller | None:
        raise DATABASE_IS_LOST()

    shell = console.app.state.shell
    monkeypatch.setattr(console.app.state, "shell", replace(shell, door=replace(shell.door, person=lost)))
    browser = console.browser()
    browser.cookies.set("ringfence", "x", domain="127.0.0.1")
    answer = browser.get("/orders")
    assert (answer.status_code, "database_is_lost" in answer.text) == (503, True)


# -- colours --------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_on_what_it_stands_on(scheme):
    """At least 4.5 : 1 (WCAG 2.2, 1.4.3, level AA), in both schemes."""
    css = (resources.files("ringfence.console") / "static" / "console.css").read_text()
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css[: css.index("@media")]))
    if scheme == "dark":
        dark = css[css.index("@media (prefers-color-scheme: dark)") :]
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark[: dark.index("\n}")]))
    texts = ["ink", "ink-soft", "accent", "good", "watch", "bad", "waiting"]
    pairs = [(text, ground) for text in texts for ground in ("surface", "paper", "sunken")]
    pairs += [
        ("bar-ink", "bar"),
        ("bar-soft", "bar"),
        ("accent-ink", "accent"),
        ("bad", "bad-wash"),
        ("ink", "bad-wash"),
    ]
    pairs += [("good", "good-wash"), ("watch", "watch-wash"), ("waiting", "waiting-wash"), ("watch", "bad-wash")]
    poor = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: found for pair, found in poor.items() if found < 4.5} == {}
