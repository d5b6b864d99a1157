"""The evaluator of conditions: what each version means, what is refused, and a second one that was written apart."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from ringfence.escrow import document as documents
from ringfence.escrow.agreements import compose
from ringfence.escrow.conditions import (
    DEPTH_MAX,
    VOCABULARY,
    Claim,
    Facts,
    NoOpenClaim,
    evaluate,
    last_change,
    next_change,
    read,
    sha256_of,
    write,
)
from ringfence.escrow.document import parts
from ringfence.escrow.telling import formula, sentence, tell
from ringfence.ledger.model import canonical, microseconds
from ringfence.refusal import Refused
from verifier_world import imported

VECTORS = Path(__file__).parents[1] / "docs" / "reference" / "escrow-vectors.json"
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


THEIRS, THEIR_ESCROW = imported("conditions"), imported("escrow")


def facts_of(said):
    claims = tuple(Claim(str(at), *each) for at, each in enumerate(said["claims"]))
    return Facts(datetime.fromisoformat(said["now"]), said["approvals"], claims)


def their_facts(facts):
    claims = [THEIRS.Claim("t", each.opened, each.settled, each.payees_get or 0) for each in facts.claims]
    return THEIRS.Facts(microseconds(facts.now), {name: dict(rows) for name, rows in facts.approvals.items()}, claims)


# -- what each version means -----------------------------------------------------------------------------------------


def test_every_function_still_means_what_its_vectors_say():
    """A version's meaning never changes: these vectors are only added to."""
    said = json.loads(VECTORS.read_text(encoding="utf-8"))
    asked = set()
    for each in said["vectors"]:
        condition, facts = read(each["condition"]), facts_of(each["facts"])
        trace = evaluate(condition, facts)
        assert trace.said() == each["trace"], each["about"]
        assert (sha256_of(condition), trace.sha256()) == (each["condition_sha256"], each["trace_sha256"]), each["about"]
        theirs = THEIRS.evaluate(each["condition"], their_facts(facts))
        assert theirs == each["trace"], each["about"]
        found = (THEIRS.condition_hash(each["condition"]), THEIRS.trace_hash(theirs))
        assert found == (each["condition_sha256"], each["trace_sha256"])
        asked |= {name for name in VOCABULARY if name in json.dumps(each["condition"])}
    assert asked == set(VOCABULARY), "each function has vectors"
    assert len(said["vectors"]) >= 4 * len(VOCABULARY)


PARTIES = ("a", "b", "c")
rows = some.integers(1, 40)
moments = some.integers(-3, 3).map(lambda hours: NOON + timedelta(hours=hours))
leaf = some.one_of(
    moments.map(lambda at: {"call": "date_reached@1", "at": at.isoformat().replace("+00:00", "Z")}),
    some.builds(
        lambda milestone, parties, needed: {
            "call": "milestone_approved@1",
            "milestone": milestone,
            "parties": sorted(parties),
            "needed": min(needed, len(parties)),
        },
        some.sampled_from(["m", "n"]),
        some.sets(some.sampled_from(PARTIES), min_size=1),
        some.integers(1, 3),
    ),
    some.sampled_from(["payees", "payer"]).map(lambda side: {"call": "claim_settled@1", "for": side}),
    some.just({"call": "no_open_claim@1"}),
)
condition_json = some.recursive(
    leaf,
    lambda inner: some.one_of(
        some.lists(inner, min_size=1, max_size=4).map(lambda parts: {"all": parts}),
        some.lists(inner, min_size=1, max_size=4).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=12,
)
all_facts = some.builds(
    Facts,
    moments,
    some.dictionaries(some.sampled_from(["m", "n"]), some.dictionaries(some.sampled_from(PARTIES), rows)),
    some.lists(
        some.tuples(rows, some.one_of(some.none(), some.integers(41, 80)), some.integers(0, 2)),
        max_size=3,
        unique_by=lambda each: (each[0], each[1]),
    ).map(
        lambda found: tuple(
            Claim(str(at), *(each if each[1] else (each[0], None, None))) for at, each in enumerate(found)
        )
    ),
)


@settings(max_examples=150, deadline=None)
@given(condition_json, all_facts)
def test_two_evaluators_that_were_written_apart_give_one_trace(said, facts):
    """And reading what was written gives the same, in one spelling; time changes nothing between the dates it names."""
    try:
        condition = read(said)
    except Refused:
        with pytest.raises(THEIRS.Unfit):
            THEIRS.check(said, set(PARTIES), claims=True)
        return
    THEIRS.check(said, set(PARTIES), claims=True)
    assert read(write(condition)) == condition
    assert canonical(write(condition)) == canonical(said)
    trace = evaluate(condition, facts)
    assert THEIRS.evaluate(said, their_facts(facts)) == trace.said()
    since, until = last_change(condition, facts.now), next_change(condition, facts.now)
    for now in [each for each in (since, until and until - timedelta(microseconds=1)) if each]:
        assert evaluate(condition, Facts(now, facts.approvals, facts.claims)).said() == trace.said()
    for language in ("en", "zh"):
        assert tell(condition, language)
        assert sentence(trace, facts, language).allows is trace.allows
    assert formula(trace)[-1] == ("+" if trace.allows else "-")


@settings(max_examples=60, deadline=None)
@given(some.lists(some.integers(1, 10**9), min_size=1, max_size=6), some.integers(0, 10**9))
def test_an_amount_is_divided_without_a_rest_and_alike_by_both(amounts, wanted):
    payees = tuple(documents.Share(f"c{at}", each) for at, each in enumerate(amounts))
    tranche = documents.Tranche("t", payees, NoOpenClaim(), None)
    amount = min(wanted, tranche.amount)
    found = parts(tranche, amount)
    assert sum(found.values()) == amount
    assert all(0 <= found[each.customer] <= each.amount for each in payees)
    said = {"payees": [{"customer": each.customer, "amount_minor": str(each.amount)} for each in payees]}
    assert THEIR_ESCROW.divide(said, amount) == found


# -- what is refused -------------------------------------------------------------------------------------------------

DATE = {"call": "date_reached@1", "at": "2026-04-01T00:00:00Z"}
DEEP = DATE
for _ in range(DEPTH_MAX):
    DEEP = {"not": DEEP}
NO_CONDITIONS = [
    ("an unknown function", {"call": "price_above@1", "at": "x"}),
    ("an unknown version", {"call": "date_reached@2", "at": "2026-04-01T00:00:00Z"}),
    ("code", {"call": "__import__('os').system('true')"}),
    ("a function that is no text", {"call": ["date_reached@1"], "at": "2026-04-01T00:00:00Z"}),
    ("nothing", {}),
    ("a text", "date_reached@1"),
    ("a list", [DATE]),
    ("none", None),
    ("too deep", DEEP),
    ("too long a list", {"all": [DATE] * 17}),
    ("too many parts", {"all": [{"any": [DATE] * 16}] * 4}),
    ("an empty list", {"any": []}),
    ("two words at once", {"all": [DATE], "any": [DATE]}),
    ("a parameter too many", DATE | {"or": 1}),
    ("a parameter too few", {"call": "date_reached@1"}),
    ("a date without a zone", {"call": "date_reached@1", "at": "2026-04-01T00:00:00"}),
    ("a date that is none", {"call": "date_reached@1", "at": "2026-02-30T00:00:00Z"}),
    ("a date by number", {"call": "date_reached@1", "at": 1775001600}),
    ("more than there are", {"call": "milestone_approved@1", "milestone": "m", "parties": ["a"], "needed": 2}),
    ("nobody needed", {"call": "milestone_approved@1", "milestone": "m", "parties": ["a"], "needed": 0}),
    ("true for a number", {"call": "milestone_approved@1", "milestone": "m", "parties": ["a"], "needed": True}),
    ("one party twice", {"call": "milestone_approved@1", "milestone": "m", "parties": ["a", "a"], "needed": 2}),
    ("a side that is none", {"call": "claim_settled@1", "for": "platform"}),
]


@pytest.mark.parametrize(("about", "said"), NO_CONDITIONS, ids=[about for about, _ in NO_CONDITIONS])
def test_what_is_no_condition_is_refused_by_both(about, said):
    with pytest.raises(Refused) as refused:
        read(said)
    assert refused.value.name == "condition_is_not_valid", about
    assert refused.value.sentence("zh")
    with pytest.raises(THEIRS.Unfit):
        THEIRS.check(said, {"a"}, claims=True)


CORE = SimpleNamespace(book=SimpleNamespace(book_id=1))
GIVEN = {
    "agreement": str(UUID(int=5)),
    "payer": "c1",
    "currency": "EUR",
    "parties": {"buyer": "customer:c1", "judge": "person:rita"},
    "claims": {"by": ["buyer"], "arbiters": ["judge"], "needed": 1},
    "tranches": [{"name": "all", "payees": [{"customer": "c2", "amount": "100.00"}], "release": DATE, "return": None}],
    "expires_at": "2026-05-01T00:00:00Z",
}
TRANCHE = GIVEN["tranches"][0]
APPROVED = {"call": "milestone_approved@1", "milestone": "m", "parties": ["stranger"], "needed": 1}
NO_CLAIM = {"call": "no_open_claim@1"}
TOO_MUCH = [{"customer": "c2", "amount": "92233720368547758.07"}, {"customer": "c3", "amount": "0.01"}]
NO_AGREEMENTS = [
    ("one party under two names", {"parties": {"a": "person:rita", "b": "person:rita"}}),
    ("a party of no kind", {"parties": {"a": "robot:rita"}}),
    ("a claimant who judges", {"claims": {"by": ["buyer"], "arbiters": ["buyer"], "needed": 1}}),
    ("an arbiter who is no party", {"claims": {"by": ["buyer"], "arbiters": ["stranger"], "needed": 1}}),
    ("more arbiters than there are", {"claims": {"by": ["buyer"], "arbiters": ["judge"], "needed": 2}}),
    ("claims asked for where there are none", {"claims": None, "tranches": [TRANCHE | {"release": NO_CLAIM}]}),
    ("a milestone of a stranger", {"tranches": [TRANCHE | {"release": APPROVED}]}),
    ("the payer pays himself", {"tranches": [TRANCHE | {"payees": [{"customer": "c1", "amount": "1.00"}]}]}),
    ("a payee twice", {"tranches": [TRANCHE | {"payees": [{"customer": "c2", "amount": "1.00"}] * 2}]}),
    ("nothing to pay", {"tranches": [TRANCHE | {"payees": [{"customer": "c2", "amount": "0.00"}]}]}),
    ("a negative amount", {"tranches": [TRANCHE | {"payees": [{"customer": "c2", "amount": "-1.00"}]}]}),
    ("a share of nothing", {"tranches": [TRANCHE | {"amount": "1.00", "payees": [{"customer": "c2", "share": 0}]}]}),
    ("a share by half", {"tranches": [TRANCHE | {"amount": "1.00", "payees": [{"customer": "c2", "amount": "1.00"}]}]}),
    ("two tranches of one name", {"tranches": [TRANCHE, TRANCHE]}),
    ("no tranche", {"tranches": []}),
    ("tranches that are none", {"tranches": "all"}),
    ("another field", {"note": "x"}),
    ("an id in capitals", {"agreement": "ABCDEF00-0000-4000-8000-000000000001"}),
    ("no id", {"agreement": str(UUID(int=0))}),
    ("an end that is none", {"expires_at": "soon"}),
    ("too large", {"tranches": [TRANCHE | {"payees": TOO_MUCH}]}),
]  # fmt: skip


@pytest.mark.parametrize(("about", "other"), NO_AGREEMENTS, ids=[about for about, _ in NO_AGREEMENTS])
def test_what_is_no_agreement_is_refused(about, other):
    with pytest.raises(Refused) as refused:
        compose(CORE, GIVEN | other)
    assert refused.value.name == "agreement_is_not_valid", about
    assert refused.value.sentence("zh")


def test_a_document_has_one_spelling_and_says_one_thing_only():
    """Names twice, NaN, floats, numbers beyond 2⁵³, depth and length are refused; so is another spelling of the
    same.
    """
    document = documents.write(compose(CORE, GIVEN))
    assert documents.read(document) == compose(CORE, GIVEN)
    THEIR_ESCROW.check_document(json.loads(document))
    hostile = [
        document.replace(b'"payer":"c1"', b'"payer":"c3","payer":"c1"'),
        document.replace(b'"book":1', b'"book":NaN'),
        document.replace(b'"book":1', b'"book":1.0'),
        document.replace(b'"book":1', b'"book":Infinity'),
        document.replace(b'"book":1', b'"book":9007199254740993'),
        document.replace(b'"payer":"c1"', b'"payer":"\\ud800"'),
        b'{"not":' * 5_000 + b"1" + b"}" * 5_000,
        b"[" * 16_000,
        b'"' + b"x" * 20_000 + b'"',
        b"\xff",
    ]
    for each in hostile:
        with pytest.raises(Refused) as refused:
            documents.read(each)
        assert refused.value.name == "document_is_not_json", each[:60]
    with pytest.raises(Refused) as refused:
        documents.read(document.replace(b",", b", ", 1))
    assert refused.value.name == "agreement_is_not_valid"
