"""A customer's own proofs in the console of a whole platform, checked in a real Chromium, unheard by the server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from lxml import html

import chromium
from chromium import Tab
from console_world import Console, console_world
from custody_world import DAY, PASSWORD
from liabilities_world import audited
from origin_world import Person
from ringfence.console.check import check_page
from ringfence.evidence.keys import key_lines, read_verifier
from test_console_check import asked, fill, put

VERIFY = Path(__file__).parents[1] / "verifier" / "verify.py"


@dataclass
class Proven:
    console: Console
    keys: str


@pytest.fixture
def proven(database, tmp_path) -> Iterator[Proven]:
    """A closed day of a platform on which something happened; Ann has a login, for c1."""
    with console_world(database, tmp_path) as console:
        there = audited(console.world, tmp_path)
        Person(console.world, password=PASSWORD).add()
        there.close()
        there.open_next()
        there.prove()
        yield Proven(console, key_lines(read_verifier(there.log)))
        assert console.incidents() == []


def test_a_customer_fetches_a_statement_with_its_proof_and_checks_it_unseen(proven, tmp_path):
    console = proven.console
    ann = console.browser("ann")
    _pages(console, proven.keys)
    statement, proof = tmp_path / "statement.html", tmp_path / "proof.json"
    for path, file in ((f"/my/statements/{DAY}", statement), (f"/api/v1/my/proofs/{DAY}", proof)):
        answer = ann.get(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-disposition"].startswith("attachment")
        file.write_bytes(answer.content)
    shown = html.fromstring(statement.read_text(encoding="utf-8"))
    assert json.loads(shown.xpath("string(//script[@data-proof])")).encode() == proof.read_bytes()
    assert "c1" in shown.xpath("string(//dl)")
    assert not shown.xpath("//@src | //@href")
    keys = [part for line in proven.keys.splitlines() for part in ("--key", line)]
    done = subprocess.run([sys.executable, str(VERIFY), str(proof), *keys], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert ann.get("/my/statements/2026-02-27").status_code == 404

    document, policy = check_page()
    for browser in (console.browser(), ann, console.browser("tina")):
        answer = browser.get("/check")
        assert (answer.status_code, answer.content) == (200, document)
        assert answer.headers["content-security-policy"].startswith(policy)
        assert "set-cookie" not in answer.headers
    if chromium.program() is None:
        pytest.skip("there is no Chromium on this machine")
    with chromium.opened() as tab:
        for domain in ("DOM", "Network"):
            tab.tell(f"{domain}.enable")
        _check(console, tab, proven.keys, [statement, proof])


def _pages(console: Console, keys: str) -> None:
    ann = console.browser("ann")
    for language, words in (("en", "What it does not show"), ("zh", "不能说明什么")):
        ann.cookies.set("ringfence-language", language, domain="127.0.0.1")
        page = html.fromstring(ann.get("/my/proofs").text)
        assert words in page.text_content()
        assert DAY.isoformat() in page.text_content()
        assert sha256(keys.encode()).hexdigest() in page.text_content().replace(" ", "")
        assert page.xpath("//a[@href='/check']")
    ann.cookies.set("ringfence-language", "en", domain="127.0.0.1")
    assert "/my/proofs" in ann.get("/my").text


def _check(console: Console, tab: Tab, keys: str, files: list[Path]) -> None:
    """From our own server, by somebody who is signed in: nothing is asked of the server any more."""
    tab.open(f"{console.address.replace('127.0.0.1', 'localhost')}/check")
    asked(tab)
    heard = len(console.said)
    for file in files:
        put(tab, file)
        fill(tab, "#holder", "c1")
        fill(tab, "#keys", keys)
        fill(tab, "#fingerprint", sha256(keys.encode()).hexdigest())
        tab.press("#check .strong")
        tab.wait_for("!document.querySelector('#result').hidden")
        assert "Your money is in the total" in tab.text(), tab.text()
    assert asked(tab) == []
    assert len(console.said) == heard
