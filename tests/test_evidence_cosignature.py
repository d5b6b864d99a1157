"""Cosignatures (C2SP tlog-cosignature) and the policies that say whose are enough (C2SP tlog-policy)."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringfence.evidence.cosignature import (
    ED25519,
    ML_DSA_44,
    Cosigner,
    CosignerKey,
    parse_cosigner,
    parse_cosigner_key,
    time_of,
)
from ringfence.evidence.note import Note, Signature, Signer, open_note, parse_note, sign, write_note
from ringfence.evidence.quorum import Quorum, parse_quorum, read_quorum
from ringfence.evidence.tree import EMPTY, root
from ringfence.refusal import Refused

NOTARY = Signer.from_seed("example.com/book/1", bytes(range(32)))
TEXT = f"example.com/book/1\n3\n{base64.b64encode(bytes(range(32))).decode()}\n"
OTHER_TEXT = f"example.com/book/1\n4\n{base64.b64encode(bytes(range(32))).decode()}\n"
AT = 1_767_225_600


def cosigner(name: str, algorithm: int = ED25519) -> Cosigner:
    return Cosigner.from_seed(name, algorithm, name.encode().ljust(32, b".")[:32])


BANK, AUDITOR, NOTARY_PUBLIC = (cosigner(f"{name}.example/w1") for name in ("bank", "auditor", "public"))


def refusal_of(call, *arguments):
    with pytest.raises(Refused) as caught:
        call(*arguments)
    return caught.value.name


@pytest.mark.parametrize("algorithm", [ED25519, ML_DSA_44])
def test_a_cosignature_opens_the_note_and_says_its_time(algorithm):
    one = cosigner("bank.example/w1", algorithm)
    note = write_note(Note(TEXT, (*parse_note(sign(TEXT, [NOTARY])).signatures, one.cosign(TEXT, AT))))
    opened = open_note(note, [one.key, NOTARY.verifier])
    assert [line.name for line in opened.verified] == ["example.com/book/1", "bank.example/w1"]
    assert time_of(opened.verified[1]) == AT


@pytest.mark.parametrize("algorithm", [ED25519, ML_DSA_44])
def test_a_cosignature_of_another_text_time_or_name_is_none(algorithm):
    one = cosigner("bank.example/w1", algorithm)
    line = one.cosign(TEXT, AT).signature
    assert one.key.verifies(TEXT.encode(), line)
    assert not one.key.verifies(OTHER_TEXT.encode(), line)
    assert not one.key.verifies(TEXT.encode(), (AT + 1).to_bytes(8, "big") + line[8:])
    assert not one.key.verifies(TEXT.encode(), (2**63).to_bytes(8, "big") + line[8:])
    assert not one.key.verifies(b"no checkpoint\n", line)
    assert not one.key.verifies(TEXT.encode(), line[:-1])
    assert not cosigner("auditor.example/w1", algorithm).key.verifies(TEXT.encode(), line)


def test_the_quantum_safe_one_is_bound_to_its_name_and_the_other_is_not():
    """The specification says so of both: the Ed25519 message has no name in it, so its key must have one name alone."""
    lattice, curve = cosigner("bank.example/w1", ML_DSA_44), cosigner("bank.example/w1")
    for one, holds in ((lattice, False), (curve, True)):
        renamed = CosignerKey("auditor.example/w1", one.algorithm, one.key.public)
        assert renamed.verifies(TEXT.encode(), one.cosign(TEXT, AT).signature) is holds


def test_the_further_lines_of_a_checkpoint_are_signed_by_the_one_and_not_by_the_other():
    longer = TEXT + "a further line\n"
    for algorithm, holds in ((ED25519, False), (ML_DSA_44, True)):
        one = cosigner("bank.example/w1", algorithm)
        assert one.key.verifies(longer.encode(), one.cosign(TEXT, AT).signature) is holds


def test_the_bytes_that_are_signed_are_those_of_the_specification():
    """Signed and verified here with the bare library, over bytes that are written out here."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    line = BANK.cosign(TEXT, AT).signature
    said = f"cosignature/v1\ntime {AT}\n{TEXT}".encode()
    Ed25519PublicKey.from_public_bytes(BANK.key.public).verify(line[8:], said)

    lattice = cosigner("bank.example/w1", ML_DSA_44)
    line = lattice.cosign(TEXT, AT).signature
    said = b"subtree/v1\n\0" + b"\x0fbank.example/w1" + AT.to_bytes(8, "big") + b"\x12example.com/book/1"
    said += (0).to_bytes(8, "big") + (3).to_bytes(8, "big") + bytes(range(32))
    MLDSA44PublicKey.from_public_bytes(lattice.key.public).verify(line[8:], said)


@pytest.mark.parametrize("algorithm", [ED25519, ML_DSA_44])
def test_keys_are_read_as_they_were_written(algorithm):
    one = cosigner("bank.example/w1", algorithm)
    assert parse_cosigner_key(str(one.key)) == one.key
    assert parse_cosigner(one.private_line()) == one
    assert one.private_line() not in repr(one)


def test_a_key_of_another_kind_is_no_cosigners():
    assert refusal_of(parse_cosigner_key, str(NOTARY.verifier)) == "key_algorithm_is_not_a_cosigners"
    assert refusal_of(parse_cosigner, NOTARY.private_line()) == "key_algorithm_is_not_a_cosigners"
    short = str(CosignerKey("bank.example/w1", ED25519, bytes(31)))
    assert refusal_of(parse_cosigner_key, short) == "key_is_malformed"
    assert refusal_of(Cosigner.from_seed, "bank", ED25519, bytes(31)) == "key_is_malformed"
    assert refusal_of(Cosigner.from_seed, "a bank", ED25519, bytes(32)) == "key_name_is_malformed"
    other = BANK.private_line().replace(BANK.key.key_id.hex(), "00000000")
    assert refusal_of(parse_cosigner, other) == "key_is_malformed"


@given(st.binary(max_size=100))
def test_no_bytes_are_a_cosignature_by_chance(content):
    assert not BANK.key.verifies(TEXT.encode(), content)


# -- policies ----------------------------------------------------------------------------------------------------------


def policy(*lines: str) -> Quorum:
    named = zip(("bank", "auditor", "public"), (BANK, AUDITOR, NOTARY_PUBLIC), strict=True)
    return parse_quorum("".join(f"{line}\n" for line in (*(f"witness {n} {each.key}" for n, each in named), *lines)))


def cosigned(*who: Cosigner, at: int = AT) -> bytes:
    lines = (each.cosign(TEXT, at) for each in who)
    return write_note(Note(TEXT, (*parse_note(sign(TEXT, [NOTARY])).signatures, *lines)))


def test_as_many_of_a_group_as_the_policy_says():
    quorum = policy("group most 2 bank auditor public", "quorum most")
    assert quorum.holds(cosigned(BANK)) is None
    assert quorum.holds(cosigned(BANK, cosigner("stranger"))) is None
    found = quorum.holds(cosigned(BANK, NOTARY_PUBLIC))
    assert found is not None
    assert (found.origin, found.size) == ("example.com/book/1", 3)


def test_groups_of_groups():
    quorum = policy("group ours any auditor public", "group both all bank ours", "quorum both")
    assert quorum.satisfied_by({BANK.key, AUDITOR.key})
    assert not quorum.satisfied_by({AUDITOR.key, NOTARY_PUBLIC.key})
    assert not quorum.satisfied_by(set())


def test_nobody_is_asked_by_quorum_none():
    quorum = parse_quorum("# nobody yet\n\n \tquorum \t none\n")
    assert quorum.holds(sign(TEXT, [NOTARY])) is not None


def test_a_single_witness_may_be_the_quorum():
    quorum = policy("quorum auditor")
    assert quorum.satisfied_by({AUDITOR.key})
    assert not quorum.satisfied_by({BANK.key})


def test_a_cosignature_that_does_not_verify_counts_for_nothing():
    good = BANK.cosign(TEXT, AT)
    forged = Signature(good.name, good.key_id, good.signature[:-1] + bytes([good.signature[-1] ^ 1]))
    note = write_note(Note(TEXT, (*parse_note(sign(TEXT, [NOTARY])).signatures, forged)))
    assert policy("quorum bank").holds(note) is None


def test_an_old_cosignature_does_not_count_where_a_new_one_is_asked_for():
    quorum = policy("quorum bank")
    assert quorum.cosigned(parse_note(cosigned(BANK)), since=AT) == {"bank": AT}
    assert quorum.cosigned(parse_note(cosigned(BANK)), since=AT + 1) == {}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("quorum most", "not named before"),
        ("group none 1 bank\nquorum none", "a name already"),
        ("group bank 1 auditor\nquorum bank", "a name already"),
        ("group most 3 bank auditor\nquorum most", "a number up to 2"),
        ("group most 0 bank\nquorum most", "a number up to 1"),
        ("group most 01 bank\nquorum most", "a number up to 1"),
        ("group most any\nquorum most", "a log, a witness, a group"),
        ("group most 2 bank bank\nquorum most", "a member already"),
        ("group one any bank\ngroup other all bank auditor\nquorum other", "a member already"),
        ("group most any none\nquorum most", "not named before"),
        ("quorum bank\nquorum bank", "one quorum line"),
        ("group most any bank", "no quorum line"),
        (f"witness again {BANK.key}\nquorum bank", "stands twice"),
        (f"log {NOTARY.verifier}\nlog {NOTARY.verifier} http://x\nquorum bank", "stands twice"),
        (f"witness log {NOTARY.verifier}\nquorum bank", "Ed25519 (4)"),
        ("witness x notakey\nquorum bank", "public key"),
        ("something else", "a log, a witness, a group"),
    ],
)
def test_a_policy_that_does_not_hold_is_refused_with_its_line(lines, says):
    with pytest.raises(Refused) as caught:
        policy(*lines.split("\n"))
    assert caught.value.name == "quorum_file_is_malformed"
    assert says in caught.value.sentence()


def test_a_policy_is_read_from_a_file_and_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "witnesses.policy"
    path.write_bytes(
        f"log {NOTARY.verifier} http://log.example/\nwitness Zür\u212a {BANK.key}\nquorum Zür\u212a\n".encode()
    )
    assert read_quorum(path).satisfied_by({BANK.key})
    path.write_bytes(b"quorum none\nquorum\x0bnone\n")
    with pytest.raises(Refused) as caught:
        read_quorum(path)
    assert caught.value.facts["line"] == 2
    assert refusal_of(read_quorum, tmp_path / "none") == "quorum_file_is_unreadable"
    path.write_bytes(b"#" * 1_000_001)
    assert refusal_of(read_quorum, path) == "quorum_file_is_unreadable"


def test_thirty_two_of_everything_are_read():
    lines = []
    for number in range(32):
        lines.append(f"log {Signer.from_seed(f'log.example/{number}', bytes([number] * 32)).verifier}")
        lines.append(f"witness w{number} {cosigner(f'{number}.example').key}")
        lines.append(f"group g{number} any w{number}")
    lines.append(f"quorum g{31}")
    assert len(parse_quorum("\n".join(lines)).groups) == 32


def test_the_empty_tree_has_a_root_that_everybody_knows():
    assert root(EMPTY).hex().startswith("e3b0c442")
