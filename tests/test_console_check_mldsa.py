"""ML-DSA-44 on the page that checks proofs (`static/mldsa.js`), in a real Chromium: against published vectors, against
the library, and in proofs whose second signatures are not right.
"""

import json
import random
from base64 import b64decode
from collections.abc import Iterator
from hashlib import shake_128, shake_256
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from checking import BROWSER, check_by_hand, checking_tab, failed, fill, found_in, fresh, put
from chromium import Tab
from proof_world import AUDITOR, COSIGNING_KEYS, KEYS, WITNESS, Published, canonical, notary, spell
from ringfence.evidence.keys import key_lines

pytestmark = BROWSER
KEY_ID, TIME, CHALLENGE, MASKED, HINTS = 4, 8, 32, 2_304, 84  # bytes, in this order, of a signature's line
SIGNATURE = CHALLENGE + MASKED + HINTS
JUDGE = """(cases) => {
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  return cases.map((each) => proofs.mlDsa44Verifies(...each.map(bytes)));
}"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with checking_tab() as found:
        yield found


def judged(tab: Tab, cases: list[tuple[bytes, ...]]) -> list[bool]:
    """Of each (public key, message, signature[, context]) whether it holds."""
    return tab.script(f"({JUDGE})({json.dumps([[spell(part) for part in case] for case in cases])})")


def judged_by_the_library(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        MLDSA44PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def of_wycheproof(folder: Path, name: str) -> list[tuple[dict, tuple[bytes, ...]]]:
    """Each case that has a key, a message and a signature, with what the page is given of it."""
    said = json.loads((folder / "vectors" / "wycheproof" / "testvectors_v1" / name).read_text(encoding="utf-8"))
    found = []
    for group in said["testGroups"]:
        for case in group["tests"]:
            if group["publicKey"] is not None and "msg" in case and case["sig"] is not None:
                parts = [group["publicKey"], case["msg"], case["sig"], case.get("ctx", "")]
                found.append((case, tuple(bytes.fromhex(part) for part in parts)))
    return found


# The algorithm


@pytest.mark.real_files
@pytest.mark.parametrize(
    ("name", "count"),
    [("mldsa_44_verify_test.json", 180), ("mldsa_44_sign_seed_test.json", 75)],
    ids=["verify", "sign"],
)
def test_the_page_judges_ml_dsa_44_as_wycheproof_judges_it(tab: Tab, real_files: Path, name: str, count: int) -> None:
    """All with key, message and signature: norms at their bounds, hints out of order, lengths, contexts, zeros."""
    cases = of_wycheproof(real_files, name)
    found = judged(tab, [parts for _, parts in cases])
    wrong = [case["tcId"] for (case, _), each in zip(cases, found, strict=True) if each != (case["result"] == "valid")]
    assert (wrong, len(cases)) == ([], count)


def test_the_page_judges_changed_signatures_as_the_library_does(tab: Tab) -> None:
    """One bit in each part of signatures, keys and messages; and hints spelled in every wrong way that comes by."""
    chance = random.Random(20_260_302)
    cases: list[tuple[bytes, bytes, bytes]] = []
    for seed in range(12):
        private = MLDSA44PrivateKey.from_seed_bytes(bytes([seed]) * 32)
        message = chance.randbytes(seed * 40)
        public, signature = private.public_key().public_bytes_raw(), private.sign(message)
        cases += [(public, message, signature), (public, message + b"\0", signature), (public, message, signature[1:])]
        cases += [(public, message, changed(signature, chance.randrange(at))) for at in (32 * 8, len(signature) * 8)]
        cases += [(changed(public, chance.randrange(len(public) * 8)), message, signature)]
        for _ in range(20):
            at = chance.randrange(len(signature) - HINTS, len(signature))
            cases.append((public, message, signature[:at] + chance.randbytes(1) + signature[at + 1 :]))
    wanted = [judged_by_the_library(*each) for each in cases]
    assert judged(tab, cases) == wanted
    assert 12 <= sum(wanted) < 30


def changed(content: bytes, bit: int) -> bytes:
    at = bit // 8
    return content[:at] + bytes([content[at] ^ 1 << bit % 8]) + content[at + 1 :]


def hints_of(block: bytes) -> list[list[int]] | None:
    """FIPS 204, algorithm 21, line by line: the places of each polynomial, or None for an encoding that is not one."""
    found: list[list[int]] = []
    index = 0
    for end in block[80:]:
        if end < index or end > 80:
            return None
        first = index
        found.append([])
        while index < end:
            if index > first and block[index - 1] >= block[index]:
                return None
            found[-1].append(block[index])
            index += 1
    return None if any(block[index:80]) else found


def test_hints_have_one_spelling(tab: Tab) -> None:
    """A signature could be rewritten into another that holds as well, were places unordered, ends turned back or beyond
    the last place, or were there anything behind them. Each is tried; the random ones are one byte away from right.
    """
    blocks = [
        bytes(84),
        bytes([1, *bytes(79), 0, 0, 0, 0]),
        bytes([*bytes(80), 1, 0, 0, 0]),
        bytes([*bytes(80), 1, 1, 0, 1]),
        bytes([5, 5, *bytes(78), 2, 2, 2, 2]),
        bytes([5, 4, *bytes(78), 2, 2, 2, 2]),
        bytes([5, 4, *bytes(78), 1, 2, 2, 2]),
        *(bytes([*range(80), 0, 0, 0, end]) for end in range(79, 86)),
    ]
    chance = random.Random(20_260_303)
    for _ in range(400):
        places = [sorted(chance.sample(range(256), chance.randrange(21))) for _ in range(4)]
        ends = [sum(map(len, places[: row + 1])) for row in range(4)]
        block = bytearray([*chain(*places), *bytes(80 - ends[-1]), *ends])
        if chance.random() < 0.8:
            block[chance.randrange(84)] = chance.choice([0, 1, 80, 81, 255, chance.randrange(256)])
        blocks.append(bytes(block))
    found = tab.script(f"""{json.dumps([list(each) for each in blocks])}.map((block) => {{
      const hints = proofs.readHints(Uint8Array.from(block));
      return hints && hints.map((row) => Array.from(row.keys()).filter((at) => row[at]));
    }})""")
    assert found == [hints_of(each) for each in blocks]
    assert 50 < found.count(None) < 350


def test_shake_is_the_standard_librarys(tab: Tab) -> None:
    """Contents of every length over two blocks, in one part and in two, and more than two blocks of output."""
    content = bytes(range(256)) * 2
    for rate, shake in ((168, shake_128), (136, shake_256)):
        found = tab.script(f"""(() => {{
          const content = Uint8Array.from({{ length: 512 }}, (_, at) => at & 255);
          return Array.from({{ length: {2 * rate + 2} }}, (_, length) => {{
            const cut = length >> 1;
            const next = proofs.shake({rate}, [content.subarray(0, cut), content.subarray(cut, length)]);
            return Array.from({{ length: 400 }}, next).map((each) => each.toString(16).padStart(2, "0")).join("");
          }});
        }})()""")
        assert found == [shake(content[:length]).hexdigest(400) for length in range(2 * rate + 2)]


# Proofs


def signature_of(note: str, name: str) -> tuple[str, bytes]:
    """The line of ML-DSA-44 under a name, and its bytes."""
    [line] = [each for each in note.split("\n") if each.startswith(f"— {name} ") and len(each) > 3_000]
    return line, b64decode(line.split(" ")[2])


def proof_with(whose: str, change: Any) -> dict:
    """A proof of which one signature by ML-DSA-44 is another."""
    proof = Published().proof()
    note = proof["attestations"][0] if whose == "auditor" else proof["event"]["checkpoint"]
    name = {"notary": notary().name, "auditor": AUDITOR[0].name, "witness": WITNESS[0].name}[whose]
    line, content = signature_of(note, name)
    note = note.replace(line, f"— {name} {spell(content[:KEY_ID] + change(content[KEY_ID:]))}")
    if whose == "auditor":
        proof["attestations"][0] = note
    else:
        proof["event"]["checkpoint"] = note
    return proof


LINES = {"notary": "second_signature", "auditor": "auditor", "witness": "witnesses"}
CHANGES = {
    "a bit of the time": lambda signature: changed(signature, TIME * 8 - 1),
    "a bit of the challenge": lambda signature: changed(signature, TIME * 8 + 5),
    "a bit of the vector": lambda signature: changed(signature, (TIME + CHALLENGE + 700) * 8 + 3),
    "a bit of the hints": lambda signature: changed(signature, (TIME + CHALLENGE + MASKED + 1) * 8),
    "a byte less": lambda signature: signature[:-1],
    "a byte more": lambda signature: signature + b"\0",
    "no signature": lambda signature: signature[:TIME],
    "zeros": lambda signature: bytes(len(signature)),
}


@pytest.mark.parametrize("whose", list(LINES))
def test_a_changed_signature_by_ml_dsa_44_is_refused_by_name(tab: Tab, whose: str) -> None:
    assert found_in(tab, proof_with(whose, lambda signature: signature))["verdict"] == "valid"
    for name, change in CHANGES.items():
        found = found_in(tab, proof_with(whose, change))
        assert (found["verdict"], failed(found)) == ("not_valid", {(LINES[whose], "note_is_forged")}), name
        assert found["facts"][LINES[whose]]["algorithm"] == "ML-DSA-44"


def test_a_note_that_was_signed_for_another_tree_is_refused_by_both_signatures(tab: Tab) -> None:
    proof = Published().proof()
    proof["event"]["checkpoint"] = proof["event"]["checkpoint"].replace("\n51\n", "\n52\n")
    forged = {("signature", "note_is_forged"), ("second_signature", "note_is_forged"), ("witnesses", "note_is_forged")}
    assert forged <= failed(found_in(tab, proof))


def test_another_second_key_and_another_second_signature_are_refused_by_name(tab: Tab) -> None:
    """Somebody who forges Ed25519 still has to show a signature by the key of ML-DSA-44 that the reader has."""
    first, other = KEYS.splitlines()[0], key_lines(notary(9).verifier).splitlines()[1]
    found = found_in(tab, Published().proof(), keys=f"{first}\n{other}\n{COSIGNING_KEYS}")
    assert failed(found) == {("second_signature", "note_is_not_signed")}
    assert found["facts"]["second_signature"]["algorithm"] == "ML-DSA-44"
    _, theirs = signature_of(Published(signer=notary(9)).proof()["event"]["checkpoint"], notary().name)
    under_our_id = proof_with("notary", lambda _: theirs[KEY_ID:])
    assert failed(found_in(tab, under_our_id)) == {("second_signature", "note_is_forged")}


def test_of_each_cosigner_it_is_said_which_algorithms_hold(tab: Tab) -> None:
    found = found_in(tab, Published().proof())
    assert found["facts"]["auditor"]["held"] == "auditor.example (Ed25519 + ML-DSA-44)"
    assert found["facts"]["witnesses"]["held"] == "bank.example/witness (Ed25519 + ML-DSA-44)"
    for key, algorithm in zip(AUDITOR, ("Ed25519", "ML-DSA-44"), strict=True):
        one = found_in(tab, Published().proof(), keys=f"{KEYS}{key.key}\n")
        assert one["facts"]["auditor"]["held"] == f"auditor.example ({algorithm})"


def test_a_check_takes_less_than_a_second(tab: Tab) -> None:
    """With the signatures of notary, auditor and witness, by both algorithms each."""
    assert found_in(tab, Published().proof())["took_ms"] < 1_000


def test_the_page_says_in_both_languages_that_both_signatures_were_checked_or_which_is_not_right(
    tab: Tab, tmp_path: Path
) -> None:
    fresh(tab)
    right, wrong = tmp_path / "right.json", tmp_path / "wrong.json"
    right.write_bytes(canonical(Published().proof()))
    wrong.write_bytes(canonical(proof_with("notary", CHANGES["a bit of the vector"])))
    text = check_by_hand(tab, right)
    assert "Both its signatures were checked, Ed25519 and ML-DSA-44." in text
    assert "not checked" not in text.lower()
    tab.press("#language")
    assert "Ed25519 与 ML-DSA-44 两个签名均已核验" in tab.text()
    put(tab, wrong)
    tab.press("#check .strong")
    tab.wait_for("document.querySelector('#result').dataset.verdict === 'not_valid'")
    assert "有一个以 ringfence/demo 为名的 ML-DSA-44 签名不成立" in tab.text()
    tab.press("#language")
    assert "There is a signature of ML-DSA-44 under the name of ringfence/demo, and it does not hold" in tab.text()


def test_the_page_misses_the_second_line_of_the_notarys_file(tab: Tab, tmp_path: Path) -> None:
    fresh(tab)
    file = tmp_path / "proof.json"
    file.write_bytes(canonical(Published().proof()))
    put(tab, file)
    fill(tab, "#holder", "c-0001")
    fill(tab, "#keys", KEYS.splitlines()[0])
    tab.wait_for("document.querySelector('#known').innerText.includes('The second line of notary.vkey is missing')")
    tab.script("document.querySelector('#compared').click()")
    tab.press("#check .strong")
    tab.wait_for("document.querySelector('#result').dataset.verdict === 'open'")
    head = tab.script("document.querySelector('#result .verdict').innerText")
    assert "Paste both lines of notary.vkey." in head
    assert "auditor" not in head  # whose signature is good to have, and not asked for
