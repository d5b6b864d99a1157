"""The page that checks proofs, in a real Chromium: the shipped file, opened from the disk, and what is behind it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import chromium
from chromium import Tab
from proof_world import COSIGNING_KEYS, KEYS, canonical, spell
from ringfence.console.check import in_one

ROOT = Path(__file__).parents[1]
FILE = ROOT / "verifier" / "check.html"
CONSOLE = ROOT / "src" / "ringfence" / "console"
ML_DSA_44, LIBRARY = ((CONSOLE / "static" / f"{name}.js").read_text(encoding="utf-8") for name in ("mldsa", "proof"))
PAGE = (CONSOLE / "checking" / "page.js").read_text(encoding="utf-8")
BROWSER = pytest.mark.skipif(chromium.program() is None, reason="there is no Chromium on this machine")
TAKEN = "verify, identity, leaf, climb, u64, proofIn, minorUnits, decimal, Wrong, mlDsa44Verifies, readHints, shake"
READ = """async (proof, given) => {
  const content = Uint8Array.from(atob(proof), (each) => each.charCodeAt(0));
  const begun = performance.now();
  const found = await proofs.verify(content, {
    holder: "c-0001", balance: "", keys: "", fingerprint: "", compared: true, kept: {}, ...given,
  });
  const took_ms = Math.ceil(performance.now() - begun);
  const each = (taken) => Object.fromEntries(found.lines.map((line) => [line.name, taken(line)]));
  const lines = each(({ state, reason }) => [state, reason ?? ""]);
  const facts = each((line) => Object.fromEntries(Object.entries(line.facts).map(([name, of]) => [name, String(of)])));
  return { verdict: found.verdict, lines, facts, balance: String(found.proof?.balance), took_ms };
}"""


@contextmanager
def checking_tab() -> Iterator[Tab]:
    """The page, with the functions of proof.js and mldsa.js at hand beside it."""
    if chromium.program() is None:
        pytest.skip("there is no Chromium on this machine")
    with chromium.opened() as found:
        for domain in ("DOM", "Log", "Network"):
            found.tell(f"{domain}.enable")
        fresh(found)
        yield found


def fresh(tab: Tab, address: str = FILE.as_uri()) -> None:
    tab.open("about:blank")  # so that the page before is not taken for the one that comes
    tab.open(address)
    tab.script(f"globalThis.proofs = (() => {{ {in_one(ML_DSA_44, LIBRARY)}; return {{ {TAKEN} }}; }})(); 1")
    tab.script(f"globalThis.told = {READ}; 1")


def found_in(tab: Tab, proof: dict | bytes, **given: Any) -> dict[str, Any]:
    """What `verify` says: the verdict, and of each line its state and reason, and its facts."""
    content = proof if isinstance(proof, bytes) else canonical(proof)
    given = {"keys": KEYS + COSIGNING_KEYS} | given
    return tab.script(f"told({json.dumps(spell(content))}, {json.dumps(given)})")


def failed(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(name, reason) for name, (state, reason) in found["lines"].items() if state == "fails"}


def put(tab: Tab, file: Path) -> None:
    """Open a file on the page, as its reader does."""
    root = tab.tell("DOM.getDocument")["root"]["nodeId"]
    field = tab.tell("DOM.querySelector", nodeId=root, selector="#file")["nodeId"]
    tab.tell("DOM.setFileInputFiles", nodeId=field, files=[str(file)])
    tab.wait_for(f"document.querySelector('#opened').innerText.includes({json.dumps(file.name)})")


def fill(tab: Tab, selector: str, text: str) -> None:
    tab.fill(selector, text)
    tab.script(f"document.querySelector({json.dumps(selector)}).dispatchEvent(new Event('input', {{ bubbles: true }}))")


def check_by_hand(tab: Tab, file: Path) -> str:
    """What the page says of a file, under the right keys and the right name."""
    put(tab, file)
    fill(tab, "#holder", "c-0001")
    fill(tab, "#keys", KEYS + COSIGNING_KEYS)
    fill(tab, "#fingerprint", sha256(KEYS.encode()).hexdigest())
    tab.press("#check .strong")
    tab.wait_for("!document.querySelector('#result').hidden")
    return tab.script("document.querySelector('#result').innerText")
