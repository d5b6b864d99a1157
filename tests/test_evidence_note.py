"""Signed notes and checkpoints: the published vectors, and that one note has one spelling."""

import base64
import doctest
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from ringfence.evidence import checkpoint as checkpoints
from ringfence.evidence import note as notes
from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint, parse_text, sign_checkpoint, text_of
from ringfence.evidence.note import (
    Signer,
    Verifier,
    decode_base64,
    open_note,
    parse_note,
    parse_signer,
    parse_verifier,
    sign,
)
from ringfence.evidence.tree import EMPTY, append, check_tree, record_hashes, root
from ringfence.refusal import Refused

NOTARY = Signer.from_seed("example.com/book/1", bytes(range(32)))
OTHER = Signer.from_seed("example.com/witness", bytes(32))
TEXT = "example.com/book/1\n3\nXcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=\n"


def refusal_of(call, *arguments):
    with pytest.raises(Refused) as refused:
        call(*arguments)
    return refused.value.name


@pytest.mark.parametrize("module", [notes, checkpoints])
def test_the_examples_in_the_specification_run(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted
    assert not outcome.failed


def test_a_key_survives_its_line_and_another_id_is_refused():
    verifier = NOTARY.verifier
    assert parse_verifier(str(verifier)) == verifier
    assert parse_signer(NOTARY.private_line()).verifier == verifier
    assert "PRIVATE" not in str(verifier)
    name, given, key = str(verifier).split("+", 2)
    assert refusal_of(parse_verifier, f"{name}+00000000+{key}") == "key_id_does_not_fit"
    assert refusal_of(parse_verifier, f"other+{given}+{key}") == "key_id_does_not_fit"
    assert refusal_of(parse_signer, f"PRIVATE+KEY+{name}+00000000+{key}") == "key_id_does_not_fit"


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("", "key_is_malformed"),
        ("name", "key_is_malformed"),
        ("name+0a", "key_is_malformed"),
        ("name+0A0B0C0D+AQ==", "key_is_malformed"),
        ("name+00000000+", "key_is_malformed"),
        ("na me+00000000+AQEB", "key_name_is_malformed"),
        ("+00000000+AQEB", "key_name_is_malformed"),
    ],
)
def test_a_line_that_is_no_key_is_refused(line, refusal):
    assert refusal_of(parse_verifier, line) == refusal


def test_a_note_opens_with_any_of_its_keys_and_keeps_the_others_apart():
    note = sign(TEXT, [NOTARY, OTHER])
    opened = open_note(note, [OTHER.verifier])
    assert opened.text == TEXT
    assert [signature.name for signature in opened.verified] == ["example.com/witness"]
    assert [signature.name for signature in opened.unknown] == ["example.com/book/1"]


def test_a_note_of_strangers_is_refused_even_if_the_name_is_right():
    impostor = Signer.from_seed(NOTARY.name, bytes([9] * 32))
    assert refusal_of(open_note, sign(TEXT, [impostor]), [NOTARY.verifier]) == "note_is_not_signed_by_known_key"
    assert refusal_of(open_note, sign(TEXT, [OTHER]), []) == "note_is_not_signed_by_known_key"


def test_one_bad_signature_of_a_known_key_spoils_the_note():
    good, bad = sign(TEXT, [NOTARY, OTHER]), sign(TEXT.replace("3", "4"), [OTHER])
    mixed = b"\n".join(good.split(b"\n")[:-2] + bad.split(b"\n")[-2:])
    assert refusal_of(open_note, mixed, [NOTARY.verifier, OTHER.verifier]) == "signature_does_not_verify"


def test_a_public_key_that_is_no_point_of_the_curve_verifies_nothing():
    nonsense = Verifier("example.com/book/1", b"\x02" + bytes(31))
    signature = base64.b64encode(nonsense.key_id + bytes(64)).decode()
    note = f"{TEXT}\n— {nonsense.name} {signature}\n".encode()
    assert refusal_of(open_note, note, [nonsense]) == "signature_does_not_verify"


def respelled(signature):
    """The same bytes with the loose bits of the last group set, which lenient readers accept."""
    last = signature.rstrip("=")[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[alphabet.index(last) ^ 1]
    return signature.rstrip("=")[:-1] + other + "=" * signature.count("=")


def test_a_note_has_one_spelling():
    note = sign(TEXT, [NOTARY]).decode()
    head, _, signature = note.removesuffix("\n").rpartition(" ")
    assert base64.b64decode(respelled(signature)) == base64.b64decode(signature)
    cases = {
        "signature_line_is_malformed": [
            f"{head} {respelled(signature)}\n",
            f"{head} {signature.rstrip('=')}\n",
            f"{head}  {signature}\n",
            f"{head} {signature} \n",
            f"{head} {signature}\nmore\n",
            note.replace("— ", "- "),
            note.replace("— example.com/book/1", "— example.com/bo+k/1"),
            note.replace("— example.com/book/1", "— example.com/bo\u2003k/1"),
            f"{head} {base64.b64encode(b'four').decode()}\n",
        ],
        "note_is_not_plain_text": [
            note.replace("\n", "\r\n"),
            note.removesuffix("\n"),
            note + "\x00\n",
        ],
        "note_has_no_signatures": [note + "\n", TEXT, "\n", TEXT + "\n"],
        "key_signed_twice": [f"{note}— {NOTARY.name} {signature}\n"],
    }
    for refusal, spellings in cases.items():
        for spelling in spellings:
            assert refusal_of(open_note, spelling.encode(), [NOTARY.verifier]) == refusal, spelling
    assert refusal_of(parse_note, b"\xff" + note.encode()) == "note_is_not_plain_text"
    assert refusal_of(parse_note, b"a" * 1_000_001) == "note_is_too_long"
    lines = "".join(f"— name{index} {signature}\n" for index in range(101))
    assert refusal_of(parse_note, f"{TEXT}\n{lines}".encode()) == "note_is_too_long"


@given(some.integers(0, 10_000), some.integers(1, 255))
def test_a_note_with_any_byte_changed_does_not_open(place, change):
    note = bytearray(sign(TEXT, [NOTARY]))
    note[place % len(note)] ^= change
    with pytest.raises(Refused):
        open_note(bytes(note), [NOTARY.verifier])


@given(some.binary(max_size=60))
@example("a\n\n— b AAAAAAA=\n".encode())
def test_any_bytes_are_read_as_one_spelling_or_refused(content):
    try:
        note = parse_note(content)
    except Refused:
        return
    lines = "".join(
        f"— {signature.name} {base64.b64encode(signature.key_id + signature.signature).decode()}\n"
        for signature in note.signatures
    )
    assert f"{note.text}\n{lines}".encode() == content


@given(some.text("AZaz09+/= \n", max_size=8))
def test_base64_has_one_spelling(text):
    decoded = decode_base64(text)
    assert decoded is None or base64.b64encode(decoded).decode() == text


def test_a_signer_refuses_to_write_what_a_reader_would_refuse():
    assert refusal_of(sign, "no newline", [NOTARY]) == "note_has_no_signatures"
    assert refusal_of(sign, "control \x07\n", [NOTARY]) == "note_is_not_plain_text"
    assert refusal_of(sign, TEXT, [NOTARY, NOTARY]) == "key_signed_twice"
    assert refusal_of(sign, TEXT, []) == "note_has_no_signatures"
    assert refusal_of(Signer.from_seed, "a name", bytes(32)) == "key_name_is_malformed"


def test_a_checkpoint_survives_its_note():
    written = Checkpoint("example.com/book/1", 3, bytes(range(32)), ("day 2026-01-05",))
    note = sign_checkpoint(written, [NOTARY])
    assert open_checkpoint(note, "example.com/book/1", [NOTARY.verifier]) == written
    assert refusal_of(open_checkpoint, note, "example.com/book/2", [NOTARY.verifier]) == "checkpoint_is_of_another_log"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("\n3\nAA==\n", 1),
        ("o\n03\n{root}\n", 2),
        ("o\n-3\n{root}\n", 2),
        ("o\n+3\n{root}\n", 2),
        ("o\n٣\n{root}\n", 2),
        ("o\n9223372036854775808\n{root}\n", 2),
        ("o\n3\n{root}", 3),
        ("o\n3\nAAAA\n", 3),
        ("o\n3\n{root}=\n", 3),
        ("o\n3\n", 3),
        ("o\n3\n{root}\n\n", 4),
        ("o\n3\n{root}\n\nmore\n", 4),
    ],
)
def test_a_checkpoint_that_is_not_canonical_is_refused_at_its_line(text, line):
    with pytest.raises(Refused) as refused:
        parse_text(text.format(root=base64.b64encode(bytes(32)).decode()))
    assert refused.value.name == "checkpoint_is_malformed"
    assert refused.value.facts["line"] == line


def test_a_checkpoint_that_could_not_be_read_is_not_written():
    for wrong in (
        Checkpoint("", 0, bytes(32)),
        Checkpoint("o", -1, bytes(32)),
        Checkpoint("o", 0, b""),
        Checkpoint("o", 0, bytes(32), ("",)),
    ):
        assert refusal_of(text_of, wrong) == "checkpoint_is_malformed"


@pytest.fixture
def published(real_files: Path):
    return json.loads((real_files / "vectors" / "signed-note-vectors.json").read_text())


@pytest.mark.real_files
def test_published_verifier_keys_are_read_and_bad_ones_refused(published):
    for line in published["vkeys"]:
        assert str(parse_verifier(line)) == line
    assert [refusal_of(parse_verifier, line) for line in published["bad_vkeys"]] == [
        "key_is_malformed",  # a key of more than 32 bytes under the id that it computes to
        "key_algorithm_is_unknown",
    ]


@pytest.mark.real_files
def test_published_signatures_verify(published):
    """The file keeps the first line of the text alone, with its newline spelled out; the signatures are over two."""
    text = published["note_text_raw"].replace("\\n", "\n") + "then you don't know what your problem is.\n"
    lines = "".join(f"{each['sig']}\n" for each in published["notes"])
    verifiers = [parse_verifier(line) for line in published["vkeys"]]
    opened = open_note(f"{text}\n{lines}".encode(), verifiers)
    assert {signature.name for signature in opened.verified} == {"PeterNeumann", "EnochRoot"}
    for verifier in verifiers:
        assert len(open_note(f"{text}\n{lines}".encode(), [verifier]).unknown) == 1


@pytest.mark.real_files
def test_published_witness_requests_carry_checkpoints_and_proofs_that_we_judge_alike(published):
    """The statuses belong to the witness protocol; what lies below it is judged here. A 200 or a 422 says that the
    proof holds or does not; a 403 (a key that the witness does not know) and a 409 (a size that it does not have) say
    nothing of proofs, but their notes are read all the same: except one 403, whose signature is not canonical base64
    and which we refuse earlier.
    """
    roots: dict[tuple[str, int], bytes] = {}
    judged = []
    for request in published["witness_requests"]:
        first, _, note = request["request"].partition("\n\n")
        old, *proof = first.split("\n")
        if note.endswith("x6gx=\n"):
            judged.append((refusal_of(parse_note, note.encode()), request["status"]))
            continue
        parsed = parse_note(note.encode())
        found = parse_text(parsed.text)
        for origin, line in request["keys"]:
            assert open_checkpoint(note.encode(), origin, [parse_verifier(line)]) == found
        older = int(old.removeprefix("old "))
        if request["status"] in (200, 422) and older:
            hashes = [base64.b64decode(text) for text in proof]
            try:
                check_tree(hashes, older, roots[found.origin, older], found.size, found.root)
                judged.append(("holds", 200))
            except Refused:
                judged.append(("does not hold", 422))
            assert judged[-1][1] == request["status"], request
        if request["status"] == 200:
            roots[found.origin, found.size] = found.root
    assert sorted(judged) == [
        ("does not hold", 422),
        ("does not hold", 422),
        ("holds", 200),
        ("holds", 200),
        ("signature_line_is_malformed", 403),
    ]


@pytest.mark.real_files
def test_the_checkpoints_of_a_published_log_are_signed_over_the_roots_of_its_records(real_files: Path):
    folder = real_files / "vectors" / "tessera" / "testdata" / "log"
    verifier = parse_verifier("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
    bundle = (folder / "tile/entries/000.p/15").read_bytes()
    records = []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        records.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    for size in range(16):
        signed = open_checkpoint((folder / f"checkpoint.{size}").read_bytes(), "example.com/log/testdata", [verifier])
        assert (signed.size, signed.root) == (size, root(append(EMPTY, record_hashes(records[:size]))[0]))


@pytest.mark.real_files
def test_ed25519_is_judged_as_wycheproof_judges_it(real_files: Path):
    cases = json.loads((real_files / "vectors/wycheproof/testvectors_v1/ed25519_test.json").read_text())
    judged = 0
    for group in cases["testGroups"]:
        public = bytes.fromhex(group["publicKey"]["pk"])
        for case in group["tests"]:
            verdict = Verifier("wycheproof", public).verifies(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert verdict is (case["result"] == "valid"), case
            judged += 1
    assert judged == cases["numberOfTests"]
