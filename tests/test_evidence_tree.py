"""The Merkle tree: RFC 6962's definition written out once more, and the published vectors."""

import base64
import doctest
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ringfence.evidence import tree
from ringfence.evidence.tree import (
    EMPTY,
    append,
    check_record,
    check_tree,
    complete_subtrees,
    prove_record,
    prove_tree,
    record_hash,
    record_hashes,
    root,
)
from ringfence.refusal import Refused

STRICTER_THAN_UPSTREAM = {
    "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json": (
        "its roots are 12 bytes of text, and we refuse whatever is not a SHA-256 hash",
        "hash_is_not_32_bytes",
    ),
}


def defined_root(records):
    """RFC 6962 section 2.1, word for word."""
    if not records:
        return sha256(b"").digest()
    if len(records) == 1:
        return sha256(b"\x00" + records[0]).digest()
    k = 1
    while k * 2 < len(records):
        k *= 2
    return sha256(b"\x01" + defined_root(records[:k]) + defined_root(records[k:])).digest()


def records_of(size):
    return [b"record %d" % index for index in range(size)]


def stored(size):
    """A tree and a reader of its complete subtrees."""
    built, grown = append(EMPTY, record_hashes(records_of(size)))
    return built, lambda coordinates: [grown[level][index] for level, index in coordinates]


def test_the_example_in_the_specification_runs():
    assert doctest.testmod(tree, optionflags=doctest.ELLIPSIS).failed == 0


@given(some.lists(some.integers(0, 40), max_size=5))
def test_a_tree_appended_in_any_portions_has_the_defined_root_and_the_same_subtrees(portions):
    records = records_of(sum(portions))
    built = EMPTY
    levels = {}
    for portion in portions:
        before = built.size
        built, grown = append(built, record_hashes(records[before : before + portion]))
        for level, hashes in enumerate(grown):
            assert len(levels.setdefault(level, [])) == before >> level
            levels[level] += hashes
    assert root(built) == defined_root(records)
    assert len(built.peaks) == built.size.bit_count()
    for level, hashes in levels.items():
        for index, each in enumerate(hashes):
            assert each == defined_root(records[index << level : (index + 1) << level])


@given(some.integers(1, 200), some.data())
def test_every_record_is_proven_and_no_other_hash_or_place_is(size, drawn):
    built, read = stored(size)
    index = drawn.draw(some.integers(0, size - 1))
    leaf = record_hash(b"record %d" % index)
    proof = prove_record(index, size, read)
    check_record(proof, size, root(built), index, leaf)
    elsewhere = drawn.draw(some.integers(0, size))
    if elsewhere != index:
        with pytest.raises(Refused):
            check_record(proof, size, root(built), elsewhere, leaf)
    with pytest.raises(Refused):
        check_record(proof, size, root(built), index, record_hash(b"another"))
    with pytest.raises(Refused):
        check_record([*proof, leaf], size, root(built), index, leaf)
    if proof:
        with pytest.raises(Refused):
            check_record(proof[:-1], size, root(built), index, leaf)


@given(some.integers(1, 200), some.data())
def test_every_beginning_is_proven_and_no_other_tree_is(newer, drawn):
    older = drawn.draw(some.integers(1, newer))
    built, read = stored(newer)
    begun = defined_root(records_of(older))
    proof = prove_tree(older, newer, read)
    check_tree(proof, older, begun, newer, root(built))
    rewritten = defined_root([*records_of(older - 1), b"rewritten"])
    with pytest.raises(Refused):
        check_tree(proof, older, rewritten, newer, root(built))
    with pytest.raises(Refused):
        check_tree([*proof, begun], older, begun, newer, root(built))
    if proof:
        with pytest.raises(Refused):
            check_tree(proof[1:], older, begun, newer, root(built))


def test_subtrees_of_a_range_lie_side_by_side_and_are_as_large_as_can_be():
    assert list(complete_subtrees(0, 7)) == [(2, 0), (1, 2), (0, 6)]
    assert list(complete_subtrees(8, 13)) == [(2, 2), (0, 12)]


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_a_record_outside_the_tree_has_no_proof(index, size):
    with pytest.raises(Refused) as refused:
        prove_record(index, size, stored(3)[1])
    assert refused.value.name == "index_is_beyond_tree"


@pytest.mark.parametrize(("older", "newer"), [(0, 3), (4, 3)])
def test_nothing_and_a_larger_tree_are_no_beginning(older, newer):
    with pytest.raises(Refused) as refused:
        prove_tree(older, newer, stored(3)[1])
    assert refused.value.name == "older_tree_is_not_smaller"


def vectors(real_files, kind):
    folder = real_files / "vectors" / "transparency-dev-merkle" / "testdata"
    paths = sorted((folder / kind).rglob("*.json"))
    assert len(paths) == 98
    for path in paths:
        yield str(path.relative_to(folder)), json.loads(path.read_text())


def hashes(texts):
    return [base64.b64decode(text) for text in texts or []]


@pytest.mark.real_files
def test_the_published_inclusion_proofs_are_judged_as_upstream_judges_them(real_files: Path):
    for name, case in vectors(real_files, "inclusion"):
        proof, (tree_root, leaf) = hashes(case["proof"]), hashes([case["root"], case["leafHash"]])
        held = True
        try:
            check_record(proof, case["treeSize"], tree_root, case["leafIdx"], leaf)
        except Refused:
            held = False
        assert held is not case["wantErr"], name


@pytest.mark.real_files
def test_the_published_consistency_proofs_are_judged_as_upstream_judges_them(real_files: Path):
    """One file differs, and by its declared reason alone."""
    excused = dict(STRICTER_THAN_UPSTREAM)
    for name, case in vectors(real_files, "consistency"):
        proof, (older, newer) = hashes(case["proof"]), hashes([case["root1"], case["root2"]])
        refusal = None
        try:
            check_tree(proof, case["size1"], older, case["size2"], newer)
        except Refused as refused:
            refusal = refused.name
        if name in excused:
            assert refusal == excused.pop(name)[1], name
        else:
            assert (refusal is not None) is case["wantErr"], (name, refusal)
    assert not excused
