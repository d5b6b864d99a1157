"""The bytes of what the ledger says: canonical JSON the fast way is RFC 8785's own."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ringfence.ledger.model import canonical
from ringfence.ledger.walk import is_canonical

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text() | st.floats(-1e9, 1e9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_canonical_json_is_that_of_rfc_8785(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(st.text(alphabet='abcÀ爱\x00\x1f"\\/\x7f\u2028😀', max_size=3), st.text(), max_size=5))
def test_odd_characters_are_written_alike(value):
    assert canonical(value) == rfc8785.dumps(value)
    assert is_canonical(canonical(value))


@pytest.mark.parametrize("value", [{"a": 2**53}, {"a": -(2**60)}, {"a": float("nan")}, {"a": "\ud800"}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises((rfc8785.CanonicalizationError, UnicodeEncodeError)):
        canonical(value)


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b'"a"', b'{"a": 1}', b'{"b":1,"a":2}', b'{"a":1.0}', b'{"a":1,"a":1}', b"\xff", b"{" * 9]
)
def test_other_forms_are_not_canonical(payload):
    assert not is_canonical(payload)
    with pytest.raises((ValueError, AssertionError)):
        assert canonical(json.loads(payload)) == payload
