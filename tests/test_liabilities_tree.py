"""The tree of liabilities: it is RFC 6962's, it adds up, and every known way to cheat with it is refused by name."""

import importlib
import io
import json
import sys
from base64 import b64decode
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ringfence.evidence import tree as rfc6962
from ringfence.liabilities import tree
from ringfence.liabilities.tree import Leaf, Mode, Node, check, grow, grow_over, identity, nonce
from ringfence.refusal import Refused

VERIFIER = Path(__file__).parents[1] / "verifier"
VECTORS = Path(__file__).parents[1] / "docs" / "reference" / "liabilities-vectors.json"
MODES = pytest.mark.parametrize("mode", list(Mode))


def leaves_of(*amounts: int, day: str = "2026-03-02") -> list[Leaf]:
    found = []
    for number, amount in enumerate(amounts):
        whose = identity("demo", f"customer:c{number}")
        found.append(Leaf(whose, amount, nonce(bytes([number % 256]) * 32, whose, day, "EUR")))
    return sorted(found)


def refused(name: str) -> Any:
    return pytest.raises(Refused, match=f"^{name}")


@given(st.lists(st.integers(0, 2**40), max_size=40))
def test_the_auditors_tree_is_that_of_rfc_6962(amounts: list[int]) -> None:
    leaves = leaves_of(*amounts)
    records = rfc6962.record_hashes(leaf.record for leaf in leaves)
    theirs, rows = rfc6962.append(rfc6962.EMPTY, records)
    ours = grow(Mode.AUDITOR, leaves)
    assert (ours.root, ours.total, ours.count) == (rfc6962.root(theirs), sum(amounts), len(amounts))
    for index in range(len(leaves)):
        path = rfc6962.prove_record(index, len(leaves), lambda wanted: [rows[level][at] for level, at in wanted])
        assert [node.hash for node in ours.path(index)] == path


@MODES
@given(amounts=st.lists(st.integers(0, 2**40), min_size=1, max_size=40))
def test_every_customer_has_a_path_to_root_and_total(mode: Mode, amounts: list[int]) -> None:
    leaves = leaves_of(*amounts)
    grown = grow(mode, leaves)
    for index, leaf in enumerate(leaves):
        check(mode, leaf, index, grown.path(index), count=grown.count, total=sum(amounts), root=grown.root)


@MODES
def test_vectors_hold(mode: Mode) -> None:
    """The page's vectors: whoever writes another verifier has these to try it with."""
    said = json.loads(VECTORS.read_text(encoding="utf-8"))
    leaves = []
    for each in said["leaves"]:
        whose = identity(said["book"], each["holder"])
        drawn = nonce(b64decode(each["secret"]), whose, said["day"], said["currency"])
        leaf = Leaf(whose, int(each["amount"]), drawn)
        assert (whose, drawn) == (b64decode(each["id"]), b64decode(each["nonce"]))
        assert (leaf.record, leaf.node.hash) == (b64decode(each["record"]), b64decode(each["leaf"]))
        leaves.append(leaf)
    for case in said["trees"][mode]:
        grown = grow(mode, leaves[: case["count"]])
        assert (grown.root, str(grown.total)) == (b64decode(case["root"]), case["total"])
        for index, path in enumerate(case["paths"]):
            spelled = (
                [Node(b64decode(each["hash"]), int(each["sum"])) for each in path]
                if mode is Mode.SUM
                else ([Node(b64decode(each), 0) for each in path])
            )
            check(mode, leaves[index], index, spelled, count=case["count"], total=grown.total, root=grown.root)


# -- attacks ----------------------------------------------------------------------------------------------------------


@MODES
def test_attack_the_same_leaf_for_two_customers(mode: Mode) -> None:
    """Two customers of equal balance are shown one leaf. Each recomputes his own id, which the leaf does not have; and
    a tree with the leaf in it twice is out of order."""
    leaves = leaves_of(500, 500, 300)
    with refused("leaves_are_not_in_order"):
        grow(mode, [leaves[0], leaves[0], *leaves[1:]])
    grown = grow(mode, leaves)
    one, other = [index for index, each in enumerate(leaves) if each.amount == 500]
    with refused("leaf_does_not_lead_to_root"):
        check(mode, leaves[other], one, grown.path(one), count=3, total=1300, root=grown.root)


@MODES
def test_attack_a_negative_balance_as_a_leaf(mode: Mode) -> None:
    with refused("liability_is_not_unsigned_64_bit"):
        grow(mode, leaves_of(500, -300))


def test_attack_a_negative_sum_in_a_path() -> None:
    """The builder takes 300 from one customer's sibling: no node has a negative sum."""
    leaves = leaves_of(500, 300)
    grown = grow(Mode.SUM, leaves)
    [sibling] = grown.path(0)
    with refused("liability_is_not_unsigned_64_bit"):
        check(Mode.SUM, leaves[0], 0, [Node(sibling.hash, -300)], count=2, total=200, root=grown.root)


@MODES
def test_attack_overflow_at_a_node(mode: Mode) -> None:
    """Amounts that add up to 2**64 and a little would leave a little."""
    leaves = leaves_of(2**64 - 1, 500)
    with refused("liability_sum_overflows"):
        grow(mode, leaves)
    path = [Node(leaves[1].node.hash, leaves[1].amount)]
    with refused("liability_sum_overflows"):
        check(Mode.SUM, leaves[0], 0, path, count=2, total=499, root=bytes(32))


def test_attack_the_larger_of_both_instead_of_the_sum() -> None:
    """Maxwell's tree hashed one sum for both children, so that each child could be shown a sibling of any sum. Here
    the node names both sums: a path that claims a smaller sibling leads elsewhere, and maxima do not add up."""
    leaves = leaves_of(500, 300)
    honest = grow(Mode.SUM, leaves)
    [sibling] = honest.path(0)
    with refused("leaf_does_not_lead_to_root"):
        check(Mode.SUM, leaves[0], 0, [Node(sibling.hash, 0)], count=2, total=500, root=honest.root)
    with refused("liabilities_do_not_add_up"):
        check(Mode.SUM, leaves[0], 0, [sibling], count=2, total=max(500, 300), root=honest.root)


@MODES
def test_attack_another_days_proof(mode: Mode) -> None:
    """The amount is the same as yesterday, the nonce is not: yesterday's proof does not fit today's root."""
    yesterday, today = leaves_of(500, 300, day="2026-03-02"), leaves_of(500, 300, day="2026-03-03")
    old, new = grow(mode, yesterday), grow(mode, today)
    assert old.root != new.root
    with refused("leaf_does_not_lead_to_root"):
        check(mode, yesterday[0], 0, old.path(0), count=2, total=800, root=new.root)


@MODES
def test_attack_broken_order(mode: Mode) -> None:
    leaves = leaves_of(500, 300, 200)
    with refused("leaves_are_not_in_order"):
        grow(mode, leaves[::-1])


def test_attack_a_wrong_total_with_the_right_root() -> None:
    """In mode sum the root binds the total. In mode auditor it does not, which is why an auditor adds up: the note
    names the total."""
    leaves = leaves_of(500, 300)
    for mode in Mode:
        grown = grow(mode, leaves)
        if mode is Mode.SUM:
            with refused("liabilities_do_not_add_up"):
                check(mode, leaves[0], 0, grown.path(0), count=2, total=700, root=grown.root)
        else:
            check(mode, leaves[0], 0, grown.path(0), count=2, total=700, root=grown.root)


@MODES
def test_a_path_that_is_too_long_or_too_short_is_refused(mode: Mode) -> None:
    leaves = leaves_of(500, 300, 200)
    grown = grow(mode, leaves)
    path = grown.path(0)
    for wrong in (path[:-1], [*path, path[0]]):
        with refused("leaf_path_has_wrong_length"):
            check(mode, leaves[0], 0, wrong, count=3, total=1000, root=grown.root)
    with refused("leaf_index_is_beyond_tree"):
        check(mode, leaves[0], 3, path, count=3, total=1000, root=grown.root)
    with refused("leaf_index_is_beyond_tree"):
        grown.path(3)


def test_a_tree_of_nobody_is_the_hash_of_nothing() -> None:
    assert (grow_over(Mode.SUM, []).root, grow_over(Mode.SUM, []).total) == (rfc6962.root(rfc6962.EMPTY), 0)


def test_ids_and_nonces_do_not_run_into_each_other() -> None:
    assert identity("de", "mo:c1") != identity("dem", "o:c1")
    assert tree.nonce(bytes(32), bytes(32), "2026-03-02", "EUR") != tree.nonce(
        bytes(32), bytes(32), "2026-03-02E", "UR"
    )


def test_the_verifier_takes_the_pages_proofs_and_none_of_the_wrong_ones(tmp_path: Path) -> None:
    """Four proofs with the keys to verify them by, and changes of the first that must each be caught."""
    said = json.loads(VECTORS.read_text(encoding="utf-8"))
    for each in said["proofs"]:
        assert verdict(tmp_path, each, each["proof"]) == 0
    first = said["proofs"][0]
    for wrong in said["wrong"]:
        assert verdict(tmp_path, first, first["proof"] | wrong["set"]) == 1, wrong["name"]


def verdict(folder: Path, given: dict[str, Any], proof: dict[str, Any]) -> int:
    """What the stranger's program says of a proof."""
    file = folder / "proof.json"
    file.write_bytes(rfc8785.dumps(proof))
    sys.path.insert(0, str(VERIFIER))
    try:
        program = importlib.import_module("verify")
    finally:
        sys.path.remove(str(VERIFIER))
    keys = [word for key in given["keys"] for word in ("--key", key)]
    auditors = [word for key in given["auditors"] for word in ("--auditor", key)]
    with redirect_stdout(io.StringIO()) as printed:
        code = program.main(["--json", str(file), *keys, *auditors])
    [check] = json.loads(printed.getvalue())["checks"]
    assert check["valid"] == (code == 0)
    return int(code)
