"""The page that checks a customer's proof, in a real Chromium: says what holds, names what does not, sends nothing."""

import base64
import functools
import json
import random
import re
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from checking import BROWSER, FILE, LIBRARY, PAGE, ROOT, check_by_hand, checking_tab, failed, fill, found_in, fresh, put
from chromium import Tab
from proof_world import AMOUNTS, AUDITOR, COSIGNING_KEYS, KEYS, ROW, Published, canonical, notary, row, spell
from ringfence.console.check import check_page
from ringfence.evidence.keys import key_lines
from ringfence.liabilities.tree import Mode, Node, identity

VECTORS = json.loads((ROOT / "docs" / "reference" / "liabilities-vectors.json").read_text(encoding="utf-8"))
MODES = pytest.mark.parametrize("mode", list(Mode))
U64 = 2**64
WITHOUT_ED25519 = """
globalThis.known = crypto.subtle.importKey;
crypto.subtle.importKey = async () => { throw new DOMException("", "NotSupportedError"); };
1"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with checking_tab() as found:
        yield found


# What holds


@BROWSER
@MODES
def test_a_proof_holds_line_by_line(tab: Tab, mode: Mode) -> None:
    found = found_in(tab, Published(mode=mode).proof(), balance="500.00")
    assert found["verdict"] == "valid"
    assert {state for state, _ in found["lines"].values()} == {"holds"}


@BROWSER
@MODES
def test_every_customer_of_a_day_finds_the_own_line_also_who_owes(tab: Tab, mode: Mode) -> None:
    published = Published(mode=mode, balances=AMOUNTS | {"c-0008": -42_00})
    for holder in published.balances:
        assert found_in(tab, published.proof(holder), holder=holder)["verdict"] == "valid", holder


@BROWSER
def test_the_vectors_of_the_format_hold(tab: Tab) -> None:
    bytes_of = "(text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0))"
    found = tab.script(f"""(async () => {{
      const said = {json.dumps(VECTORS)}, bytes = {bytes_of}, wrong = [];
      const text = (all) => btoa(String.fromCharCode(...all));
      let tried = 0;
      for (const each of said.leaves) {{
        const id = await proofs.identity(said.book, each.holder);
        const leaf = await proofs.leaf(id, BigInt(each.amount), bytes(each.nonce));
        if (text(id) !== each.id || text(leaf.hash) !== each.leaf) wrong.push(each.holder);
      }}
      const node = (mode, each) =>
        mode === "sum" ? {{ hash: bytes(each.hash), sum: BigInt(each.sum) }} : {{ hash: bytes(each), sum: 0n }};
      for (const [mode, trees] of Object.entries(said.trees)) for (const tree of trees) {{
        for (const [index, path] of tree.paths.entries()) {{
          const one = said.leaves[index];
          const leaf = await proofs.leaf(bytes(one.id), BigInt(one.amount), bytes(one.nonce));
          const top = await proofs.climb(mode, leaf, index, tree.count, path.map((each) => node(mode, each)));
          const right = text(top.hash) === tree.root && (mode === "auditor" || String(top.sum) === tree.total);
          if (!right) wrong.push([mode, tree.count, index]);
          tried += 1;
        }}
      }}
      return {{ wrong, tried }};
    }})()""")
    assert found == {"wrong": [], "tried": 2 * (1 + 2 + 3 + 5 + 7)}


# Attacks, each with the line that names it


def of_another() -> dict:
    """One leaf for two customers of the same balance: the second is shown the first one's line under the own name."""
    published = Published(balances=AMOUNTS | {"c-0009": 500_00})
    return published.proof("c-0001", holder="customer:c-0009")


def of_another_under_own_id() -> dict:
    published = Published(balances=AMOUNTS | {"c-0009": 500_00})
    whose = identity("demo", "customer:c-0010")
    return published.proof("c-0001", holder="customer:c-0010", id=spell(whose))


def netted() -> dict:
    """What another owes is taken from the total, behind the back of the count."""
    published = Published(balances=AMOUNTS | {"c-0008": -42_00})
    total = published.grown.total - 42_00
    says = {"total": str(total), "negative_count": 0, "negative_total": "0"}
    return Published(balances=published.balances, says=says).proof()


def overflowing() -> dict:
    """A sibling so large that the sum wraps around to the total."""
    published = Published(mode=Mode.SUM)
    proof = published.proof()
    proof["path"][0]["sum"] = str(U64 - 1)
    return proof


def beyond_64_bits() -> dict:
    proof = Published(mode=Mode.SUM).proof()
    proof["path"][0]["sum"] = str(U64)
    return proof


def largest_instead_of_sum() -> dict:
    """A node that says the larger of two sums (the first published tree could): everybody adds up to a small total."""

    def join(left: Node, right: Node) -> Node:
        content = left.hash + left.sum.to_bytes(8, "big") + right.hash + right.sum.to_bytes(8, "big")
        return Node(sha256(b"\1" + content).digest(), max(left.sum, right.sum))

    published = Published(mode=Mode.SUM, balances={"c-0001": 500_00, "c-0002": 300_00})
    one, two = (leaf.node for leaf in published.leaves)
    top = join(one, two)
    says = {"root": spell(top.hash), "total": str(top.sum)}
    says["safeguarding"] = {
        "difference": "50", "requirement": str(top.sum + 12_00), "resource": str(top.sum + 12_50), "sequence": 38
    }  # fmt: skip
    return Published(mode=Mode.SUM, balances=published.balances, says=says).proof()


def of_another_day() -> dict:
    """Yesterday's leaf under today's name."""
    return Published(day="2026-03-01").proof(day="2026-03-02")


def leaf_of_another_day() -> dict:
    old = Published(day="2026-03-01").proof()
    return Published().proof(nonce=old["nonce"], path=old["path"])


def changed_checkpoint() -> dict:
    proof = Published().proof()
    proof["event"]["checkpoint"] = proof["event"]["checkpoint"].replace("\n51\n", "\n52\n")
    return proof


def of_a_stranger() -> dict:
    return Published(signer=notary(9)).proof()


def of_another_book() -> dict:
    return Published(signer=notary(1, "other")).proof()


def another_row() -> dict:
    published = Published()
    proof = published.proof()
    proof["event"] = published.receipt(row(canonical(published.event), code=1181))
    return proof


def another_place() -> dict:
    published = Published()
    proof = published.proof()
    proof["event"] = published.receipt(row(canonical(published.event), sequence=ROW + 1))
    return proof


def with_event(**says: Any) -> dict:
    return Published(says=says).proof()


def without_the_last() -> dict:
    """Whoever is counted out finds it out, whatever the others see."""
    published = Published(says={"count": 6})
    last = next(each for each in published.balances if published.leaf(each) == published.leaves[-1])
    assert last == "c-0007"
    return published.proof(last)


def of_another_tree() -> dict:
    other = Published(balances=AMOUNTS | {"c-0008": 1})
    return Published().proof(attestations=[other.attestation()])


def forged_attestation() -> dict:
    note = Published().attestation()
    at = note.index("auditor.example ") + 40
    return Published().proof(attestations=[note[:at] + ("A" if note[at] != "A" else "B") + note[at + 1 :]])


ATTACKS = [
    ("the same leaf for two customers", of_another, {"holder": "c-0009"}, ("identity", "proof_has_another_id")),
    (
        "the same leaf under the own id",
        of_another_under_own_id,
        {"holder": "c-0010"},
        ("place", "proof_leads_to_another_root"),
    ),
    ("another customer's proof", lambda: Published().proof("c-0002"), {}, ("identity", "holder_is_another")),
    ("the balance changed", lambda: Published().proof(balance="60000"), {}, ("amount", "proof_has_another_amount")),
    (
        "balance and amount changed",
        lambda: Published().proof(balance="60000", amount="60000"),
        {},
        ("place", "proof_leads_to_another_root"),
    ),
    (
        "less than the customer knows of",
        lambda: Published().proof(),
        {"balance": "500.01"},
        ("amount", "balance_is_another"),
    ),
    (
        "a negative amount",
        lambda: Published().proof(balance="-1", amount="-1"),
        {},
        ("amount", "liability_is_not_unsigned"),
    ),
    (
        "an amount of 65 bits",
        lambda: Published().proof(balance=str(U64), amount=str(U64)),
        {},
        ("amount", "liability_is_not_unsigned"),
    ),
    ("negatives netted", netted, {}, ("figures", "liabilities_row_is_wrong")),
    (
        "negatives hidden in the total",
        lambda: with_event(negative_total="-4200"),
        {},
        ("figures", "liabilities_row_is_wrong"),
    ),
    ("overflow at a node", overflowing, {}, ("place", "liability_sum_overflows")),
    ("a sum of 65 bits", beyond_64_bits, {}, ("place", "liability_is_not_unsigned")),
    ("the larger instead of the sum", largest_instead_of_sum, {}, ("place", "liabilities_do_not_add_up")),
    (
        "a smaller total in mode sum",
        lambda: Published(mode=Mode.SUM, unallocated=13_00, says={"total": "203533"}).proof(),
        {},
        ("figures", "liabilities_row_is_wrong"),
    ),
    ("another day's proof", of_another_day, {}, ("day", "proof_is_of_another_day")),
    ("another day's leaf", leaf_of_another_day, {}, ("place", "proof_leads_to_another_root")),
    ("another currency", lambda: Published().proof(currency="CNY"), {}, ("day", "proof_is_of_another_day")),
    ("another book", of_another_book, {}, ("key", "checkpoint_is_of_another_log")),
    ("a changed checkpoint", changed_checkpoint, {}, ("signature", "note_is_forged")),
    ("a note of a stranger", of_a_stranger, {}, ("signature", "note_is_not_signed")),
    (
        "the wrong key",
        lambda: Published().proof(),
        {"keys": key_lines(notary(2).verifier)},
        ("signature", "note_is_not_signed"),
    ),
    (
        "a key of another book",
        lambda: Published().proof(),
        {"keys": key_lines(notary(1, "other").verifier)},
        ("key", "checkpoint_is_of_another_log"),
    ),
    ("another fingerprint", lambda: Published().proof(), {"fingerprint": "00" * 32}, ("key", "key_is_another")),
    (
        "a key that changed",
        lambda: Published().proof(),
        {"kept": {notary().name: "another\n"}},
        ("key", "key_has_changed"),
    ),
    ("a row about something else", another_row, {}, ("event", "proof_is_of_another_row")),
    ("a row of another place", another_place, {}, ("event", "row_has_another_sequence")),
    (
        "a requirement that is not met by the sum",
        lambda: with_event(unallocated="0"),
        {},
        ("figures", "liabilities_row_is_wrong"),
    ),
    ("a place beyond the count", lambda: Published().proof(index=7), {}, ("place", "liability_path_has_wrong_length")),
    ("a count without the last", without_the_last, {"holder": "c-0007"}, ("place", "liability_path_has_wrong_length")),
    (
        "what it reveals is hidden",
        lambda: Published(mode=Mode.SUM).proof(reveals=["count"]),
        {},
        ("place", "file_has_other_fields"),
    ),
    ("an auditor's note of another tree", of_another_tree, {}, ("auditor", "attestation_is_of_another_tree")),
    ("an auditor's signature that is forged", forged_attestation, {}, ("auditor", "note_is_forged")),
    ("no JSON", lambda: b"hello", {}, ("file", "json_is_not_canonical")),
    (
        "a name that stands twice",
        lambda: canonical(Published().proof()).replace(b'{"amount":"50000"', b'{"amount":"1","amount":"50000"', 1),
        {},
        ("file", "json_is_not_canonical"),
    ),
    ("a field too many", lambda: Published().proof(note="hello"), {}, ("file", "file_has_other_fields")),
    (
        "an amount with a leading zero",
        lambda: Published().proof(amount="050000"),
        {},
        ("file", "file_has_other_fields"),
    ),
    (
        "loose bits in base64",
        lambda: Published().proof(nonce=Published().proof()["nonce"][:-2] + "B="),
        {},
        ("file", "file_has_other_fields"),
    ),
]


@BROWSER
@pytest.mark.parametrize(("proof", "given", "named"), [each[1:] for each in ATTACKS], ids=[each[0] for each in ATTACKS])
def test_an_attack_is_refused_by_name(tab: Tab, proof: Any, given: dict, named: tuple[str, str]) -> None:
    found = found_in(tab, proof(), **given)
    assert found["verdict"] == "not_valid"
    assert named in failed(found), found["lines"]


@BROWSER
def test_any_letter_of_a_proof_counts(tab: Tab) -> None:
    """300 changes of one letter each: refused, or the name or id of a cosigner's key is not recognised any more."""
    content = canonical(Published(mode=Mode.SUM).proof())
    chance = random.Random(20_260_302)
    changes = []
    for _ in range(300):
        at = chance.randrange(len(content))
        letter = chance.choice([each for each in b'0123456789ABab+/=",:{}[] \\n-' if each != content[at]])
        changes.append((at, content[:at] + bytes([letter]) + content[at + 1 :]))
    given = json.dumps({"keys": KEYS + COSIGNING_KEYS})
    found = tab.script(f"""(async () => {{
      const all = [];
      for (const each of {json.dumps([spell(each) for _, each in changes])}) all.push(await told(each, {given}));
      return all;
    }})()""")
    whole = found_in(tab, content)["lines"]
    refused = 0
    for (at, _), each in zip(changes, found, strict=True):
        if each["verdict"] == "not_valid":
            refused += 1
            continue
        lost = {name for name, line in each["lines"].items() if line != whole[name]}
        assert lost in ({"witnesses"}, {"auditor"}), at
        assert each["balance"] == "50000"
    assert refused > 290


# What cannot be checked is never valid


@BROWSER
def test_without_a_key_or_a_comparison_or_a_name_nothing_is_valid(tab: Tab) -> None:
    proof = Published().proof()
    for given, line, reason in (
        ({"keys": ""}, "key", "no_key_was_given"),
        ({"keys": COSIGNING_KEYS}, "key", "no_key_was_given"),
        ({"keys": KEYS.splitlines()[0]}, "second_signature", "no_second_key_was_given"),
        ({"compared": False}, "key", "key_was_not_compared"),
        ({"holder": " "}, "identity", "no_holder_was_given"),
    ):
        found = found_in(tab, proof, **given)
        assert (found["verdict"], found["lines"][line]) == ("open", ["unchecked", reason])
    print_of = sha256(KEYS.encode()).hexdigest()
    grouped = " ".join(print_of[at : at + 4] for at in range(0, 64, 4)).upper()
    assert found_in(tab, proof, compared=False, fingerprint=grouped)["verdict"] == "valid"
    assert found_in(tab, proof, compared=False, kept={notary().name: KEYS})["verdict"] == "valid"


@BROWSER
def test_a_browser_without_ed25519_says_so(tab: Tab) -> None:
    tab.script(WITHOUT_ED25519)
    try:
        found = found_in(tab, Published().proof())
        assert found["verdict"] == "open"
        assert found["lines"]["signature"] == ["unchecked", "browser_lacks_ed25519"]
        assert found["lines"]["second_signature"] == ["holds", ""]
        assert found["lines"]["auditor"] == found["lines"]["witnesses"] == ["unchecked", "browser_lacks_ed25519"]
        assert found_in(tab, Published().proof(balance="1"))["verdict"] == "not_valid"
    finally:
        tab.script("crypto.subtle.importKey = globalThis.known; 1")


@BROWSER
def test_who_did_not_sign_is_said(tab: Tab) -> None:
    def line(name: str, published: Published, **given: Any) -> list[str]:
        found = found_in(tab, published.proof(), **given)
        assert found["verdict"] == "valid"
        return found["lines"][name]

    assert line("auditor", Published(attested=False)) == ["unchecked", "no_auditor_auditor"]
    assert line("auditor", Published(attested=False, mode=Mode.SUM)) == ["unchecked", "no_auditor_sum"]
    assert line("auditor", Published(), keys=KEYS) == ["unchecked", "auditor_is_not_known"]
    assert line("witnesses", Published(), keys=KEYS) == ["unchecked", "witness_is_not_known"]
    assert line("witnesses", Published(witnessed=False)) == ["unchecked", "no_witness_signed"]
    half = Published().proof(attestations=[Published().attestation(AUDITOR[:1])])
    assert found_in(tab, half)["lines"]["auditor"] == ["unchecked", "auditor_is_not_known"]
    missing = Published().proof()
    lines = missing["event"]["checkpoint"].split("\n")
    missing["event"]["checkpoint"] = "\n".join(each for each in lines if len(each) < 3000)
    assert failed(found_in(tab, missing)) == {("second_signature", "note_is_not_signed")}


# The page


def asked(tab: Tab) -> list[str]:
    """What the browser has requested since this was asked last."""
    tab.script("1")
    found = [
        each["params"]["request"]["url"] for each in tab.happened if each.get("method") == "Network.requestWillBeSent"
    ]
    tab.happened.clear()
    return found


@pytest.fixture
def address() -> Iterator[str]:
    """The page at an http address, with the policy of our server; other paths lead nowhere."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            document, policy = check_page()
            self.send_response(200 if self.path == "/check" else 404)
            self.send_header("Content-Security-Policy", policy)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/check"
    server.shutdown()
    server.server_close()


@BROWSER
@pytest.mark.parametrize("from_disk", [True, False], ids=["from a disk", "from our server"])
def test_nothing_is_requested_while_a_proof_is_checked(
    tab: Tab, tmp_path: Path, address: str, *, from_disk: bool
) -> None:
    """The test of the test: opening is a request, and what somebody slips in is stopped by the page's own policy."""
    there = FILE.as_uri() if from_disk else address
    asked(tab)
    fresh(tab, there)
    assert there in asked(tab)
    right, wrong = tmp_path / "right.json", tmp_path / "wrong.json"
    right.write_bytes(canonical(Published().proof()))
    wrong.write_bytes(canonical(Published().proof(balance="1")))
    assert "Your money is in the total" in check_by_hand(tab, right)
    tab.press("#keep")
    tab.press("#language")
    assert "您的钱在总额之内" in tab.text()
    tab.press("#language")
    assert "This proof does not hold" in check_by_hand(tab, wrong)
    tab.press("#forget")
    assert asked(tab) == []
    slipped = tab.script("fetch('http://localhost:9/told').then(() => 'sent', () => 'stopped')")
    assert slipped == "stopped"
    tab.script("1")
    assert any(
        "Content Security Policy" in each["params"]["entry"]["text"]
        for each in tab.happened
        if each.get("method") == "Log.entryAdded"
    )


@BROWSER
def test_a_statement_carries_its_proof(tab: Tab, tmp_path: Path) -> None:
    fresh(tab)
    proof = json.dumps(canonical(Published().proof()).decode()).replace("<", "\\u003c").encode()
    file = tmp_path / "statement.html"
    file.write_bytes(
        b'<!doctype html><p>all of it</p><script type="application/json" data-proof>' + proof + b"</script>"
    )
    assert "Your money is in the total" in check_by_hand(tab, file)
    program = tmp_path / "statement.json"
    program.write_text(json.dumps({"holder": "customer:c-0001", "proof": Published().proof()}), encoding="utf-8")
    assert "Your money is in the total" in check_by_hand(tab, program)
    without = tmp_path / "without.html"
    without.write_bytes(b"<!doctype html><p>a statement without</p>")
    assert "It is no proof" in check_by_hand(tab, without)


@BROWSER
def test_keys_are_kept_only_if_the_reader_says_so_and_a_change_is_named(tab: Tab, tmp_path: Path) -> None:
    fresh(tab)
    file = tmp_path / "proof.json"
    file.write_bytes(canonical(Published().proof()))
    check_by_hand(tab, file)
    assert tab.script("localStorage.length") == 0
    tab.press("#keep")
    fresh(tab)
    assert tab.script("document.querySelector('#keys').value").split() == (KEYS + COSIGNING_KEYS).split()
    put(tab, file)
    fill(tab, "#holder", "c-0001")
    tab.press("#check .strong")
    tab.wait_for("document.querySelector('#result').innerText.includes('that you kept on this device')")
    other = tmp_path / "other.json"
    other.write_bytes(canonical(Published(signer=notary(5)).proof()))
    put(tab, other)
    fill(tab, "#keys", key_lines(notary(5).verifier))
    tab.script("document.querySelector('#compared').click()")
    tab.press("#check .strong")
    tab.wait_for("!!document.querySelector('[data-reason=key_has_changed]')")
    tab.press("#forget")
    assert tab.script("localStorage.length") == 0


def test_the_shipped_file_is_what_the_server_gives_and_is_complete_in_itself() -> None:
    document, policy = check_page()
    assert FILE.read_bytes() == document, "run python scripts/reference.py"
    text = document.decode()
    assert policy in text
    assert not re.findall(r'(?:src|href)="(?!data:|/check")', text)
    assert not re.search(r"^(?:import|export) ", text, re.MULTILINE)
    assert "connect-src 'none'" in policy
    for tag in ("script", "style"):
        [inside] = re.findall(rf"<{tag}(?: type=\"module\")?>(.*?)</{tag}>", text.split("<title>")[1], re.DOTALL)
        assert base64.b64encode(sha256(inside.encode()).digest()).decode() in policy


def test_every_line_and_every_reason_has_words_in_both_languages() -> None:
    """A word that is missing would be an error in the middle of a check."""
    pairs = re.findall(r'^  "?([\w ]+)"?: \[(.*)\],$', PAGE, re.MULTILINE)
    words = {name: re.findall(r'"((?:[^"\\]|\\.)*)"', both) for name, both in pairs}
    reasons = set(re.findall(r'(?:Wrong|Unchecked)\("(\w+)"', LIBRARY)) | {"no_auditor_auditor", "no_auditor_sum"}
    reasons |= {"auditor_is_not_known", "witness_is_not_known", "no_witness_signed", "rests_on_another"}
    lines = set(re.findall(r'await line\("(\w+)"', LIBRARY))
    assert len(reasons) > 30
    assert len(lines) == 12
    assert reasons | lines <= words.keys()
    assert {f"{each} holds" for each in lines - {"key"}} <= words.keys()
    for name, both in words.items():
        assert len(both) == 2, name
        facts = [set(re.findall(r"\{(\w+)\}", each)) for each in both]
        assert facts[0] == facts[1], name
