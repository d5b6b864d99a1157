"""Signed requests as bytes: the standard's own example, what must be covered, and every way to be malformed."""

import base64
import doctest
import hashlib
from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from ringfence.refusal import Refused
from ringfence.web import signature
from ringfence.web.signature import Incoming, claim_of, fields, fits, require_digest, signed_text
from ringfence.web.signature.fields import InnerList, Item, Token, read_dictionary, written

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()

# RFC 9421, B.2: the request of all examples, and the key test-key-ed25519 (B.1.4).
EXAMPLE = Incoming(
    "POST",
    "https",
    "example.com",
    "/foo",
    "param=Value&Pet=dog",
    (
        ("host", "example.com"),
        ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("content-type", "application/json"),
        (
            "content-digest",
            "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
        ),
        ("content-length", "18"),
    ),
    b'{"hello": "world"}',
)
EXAMPLE_KEY = base64.urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")
B_2_6_INPUT = (
    'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;'
    'keyid="test-key-ed25519"'
)
B_2_6 = "sig-b26=:wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==:"


def test_the_standards_own_example_of_ed25519_fits():
    """RFC 9421, B.2.6: the base as printed there, and its signature by the key of B.1.4."""
    covered = read_dictionary(B_2_6_INPUT)["sig-b26"]
    base = signed_text(EXAMPLE, tuple(item.value for item in covered.items), written(covered))
    assert base.decode().split("\n") == [
        '"date": Tue, 20 Apr 2021 02:07:55 GMT',
        '"@method": POST',
        '"@path": /foo',
        '"@authority": example.com',
        '"content-type": application/json',
        '"content-length": 18',
        f'"@signature-params": {B_2_6_INPUT.removeprefix("sig-b26=")}',
    ]
    signed = read_dictionary(B_2_6)["sig-b26"].value
    assert fits(EXAMPLE_KEY, signed, base)
    assert not fits(EXAMPLE_KEY, signed, base.replace(b"/foo", b"/fop"))
    assert not fits(PUBLIC, signed, base)
    require_digest(EXAMPLE)


def test_derived_components_are_as_the_standard_prints_them():
    """RFC 9421, 2.2."""
    path = Incoming("GET", "https", "WWW.example.com:443", "/path", "param=value&foo=bar", (), b"")
    assert [signature.component(path, f"@{name}") for name in ("authority", "scheme", "path", "query")] == [
        "www.example.com",
        "https",
        "/path",
        "?param=value&foo=bar",
    ]
    assert signature.component(path, "@target-uri") == "https://www.example.com/path?param=value&foo=bar"
    assert signature.component(path, "@request-target") == "/path?param=value&foo=bar"
    bare = replace(path, path="", query="", authority="example.com:8443")
    assert [signature.component(bare, f"@{name}") for name in ("authority", "path", "query")] == [
        "example.com:8443",
        "/",
        "?",
    ]


def test_a_header_that_stands_twice_is_one_value_and_spaces_around_it_do_not_count():
    """RFC 9421, 2.1."""
    headers = (
        ("cache-control", "  max-age=60 "),
        ("x-obs", "Obsolete\r\n    line folding."),
        ("cache-control", "\tmust"),
    )
    request = replace(EXAMPLE, headers=headers)
    assert signature.component(request, "cache-control") == "max-age=60, must"
    assert signature.component(request, "x-obs") == "Obsolete line folding."


def test_the_examples_of_the_modules_hold():
    assert [doctest.testmod(module).failed for module in (signature, fields)] == [0, 0]


BODY = b'{"amount": "5.00"}'
DIGEST = f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"
FULL = '("@method" "@target-uri" "content-digest");created=1618884473;nonce="n1";keyid="demo/shop/1"'


def request_of(said=FULL, *, digest=DIGEST, body=BODY, label="sig1", more=(), sign=None):
    """A request that says what it is told to; signed over what it covers, where that can be put together."""
    headers = (("content-type", "application/json"), *((("content-digest", digest),) if digest else ()))
    bare = Incoming("POST", "http", "127.0.0.1:8400", "/api/v1/withdrawals", "", headers, body)
    try:
        covered = read_dictionary(f"x={said}")["x"]
        base = signed_text(bare, tuple(item.value for item in covered.items), written(covered))
    except (ValueError, Refused, AttributeError, TypeError):
        base = b""
    made = sign or base64.b64encode(KEY.sign(base)).decode()
    signed = (("signature-input", f"{label}={said}"), ("signature", f"sig1=:{made}:"))
    return replace(bare, headers=(*headers, *signed, *more))


def test_a_whole_claim_says_who_when_and_by_which_nonce():
    claim = claim_of(request_of())
    assert (claim.key_id, claim.nonce, claim.created, claim.expires) == ("demo/shop/1", "n1", 1618884473, None)
    assert claim.fits(PUBLIC)
    assert not claim.fits(EXAMPLE_KEY)
    both = '("@method" "@path" "@query" "content-digest");created=1;expires=2;nonce="n";keyid="k";alg="ed25519"'
    assert claim_of(request_of(both)).expires == 2
    nothing = '("@method" "@target-uri");created=1;nonce="n";keyid="k"'
    assert claim_of(request_of(nothing, digest="", body=b"")).fits(PUBLIC)


def said_with(**parameters):
    """FULL with other parameters; None leaves one out."""
    whole = {"created": "1618884473", "nonce": '"n1"', "keyid": '"demo/shop/1"'} | parameters
    listed = "".join(f";{name}={value}" for name, value in whole.items() if value is not None)
    return f'("@method" "@target-uri" "content-digest"){listed}'


WRONG = {
    "no signature beside its input": (
        replace(EXAMPLE, headers=(("signature-input", "a=()"),)),
        "signature_cannot_be_read",
    ),
    "an open bracket": (request_of('("@method"'), "signature_cannot_be_read"),
    "no list": (request_of('"@method"'), "signature_cannot_be_read"),
    "another label": (request_of(label="sig2"), "signature_cannot_be_read"),
    "two signatures": (
        request_of(more=(("signature-input", f"sig2={FULL}"), ("signature", "sig2=:AAAA:"))),
        "signature_cannot_be_read",
    ),
    "a label twice": (request_of(more=(("signature-input", f"sig1={FULL}"),)), "signature_cannot_be_read"),
    "no base64": (request_of(sign="A"), "signature_cannot_be_read"),
    "a token for a component": (request_of("(method)"), "signature_cannot_be_read"),
    "a capital component": (request_of('("Content-Digest")'), "signature_cannot_be_read"),
    "a component twice": (request_of('("@method" "@method")'), "signature_cannot_be_read"),
    "a parameter twice": (request_of(FULL + ";created=1"), "signature_cannot_be_read"),
    "a decimal": (request_of(said_with(created="1.5")), "signature_cannot_be_read"),
    "a header that is not there": (
        request_of('("@method" "@target-uri" "x-none")'),
        "signature_component_is_not_known",
    ),
    "a part of the answer": (request_of('("@status")'), "signature_component_is_not_known"),
    "the parameters themselves": (request_of('("@signature-params")'), "signature_component_is_not_known"),
    "one parameter of the query": (request_of('("@query-param";name="a")'), "signature_component_is_not_known"),
    "a parameter of a component": (request_of('("@method";req)'), "signature_component_is_not_known"),
    "nothing covered": (request_of('();created=1;nonce="n";keyid="k"'), "signature_must_cover"),
    "no method": (request_of('("@target-uri" "content-digest");created=1'), "signature_must_cover"),
    "no address": (request_of('("@method" "@query" "content-digest");created=1'), "signature_must_cover"),
    "a path without its query": (request_of('("@method" "@path" "content-digest")'), "signature_must_cover"),
    "a body without its digest": (request_of('("@method" "@target-uri")'), "signature_must_cover"),
    "no key": (request_of(said_with(keyid=None)), "signature_must_say"),
    "a key that is a number": (request_of(said_with(keyid="1")), "signature_must_say"),
    "a key's name too long": (request_of(said_with(keyid=f'"{"k" * 201}"')), "signature_must_say"),
    "no nonce": (request_of(said_with(nonce=None)), "signature_must_say"),
    "an empty nonce": (request_of(said_with(nonce='""')), "signature_must_say"),
    "a nonce too long": (request_of(said_with(nonce=f'"{"n" * 129}"')), "signature_must_say"),
    "no time": (request_of(said_with(created=None)), "signature_must_say"),
    "a time that is true": (request_of(said_with(created="?1")), "signature_must_say"),
    "a time before 1970": (request_of(said_with(created="-1")), "signature_must_say"),
    "an end that is text": (request_of(said_with(expires='"x"')), "signature_must_say"),
    "another algorithm": (request_of(said_with(alg='"hmac-sha256"')), "signature_must_be_ed25519"),
    "too short a signature": (request_of(sign="AAAA"), "signature_must_be_ed25519"),
    "another body": (request_of(body=BODY + b" "), "content_digest_must_fit"),
    "an old kind of digest": (request_of(digest="md5=:AAAA:"), "content_digest_must_fit"),
    "one digest of two that fits": (request_of(digest=DIGEST + ", sha-512=:AAAA:"), "content_digest_must_fit"),
    "a digest that is text": (request_of(digest='sha-256="x"'), "content_digest_must_fit"),
    "a digest that is no field": (request_of(digest="x y"), "signature_cannot_be_read"),
}


@pytest.mark.parametrize(("request_given", "name"), WRONG.values(), ids=WRONG)
def test_each_way_to_be_wrong_has_its_name(request_given, name):
    with pytest.raises(Refused) as no:
        claim_of(request_given)
    assert no.value.name == name, no.value


def test_whatever_is_covered_cannot_be_changed_afterwards():
    """The claim of a changed request is another one, and the signature is not of it."""
    signed = request_of()
    for change in ({"method": "PUT"}, {"path": "/api/v1/transfers"}, {"query": "a=1"}, {"authority": "elsewhere"}):
        assert not claim_of(replace(signed, **change)).fits(PUBLIC), change
    later = tuple((name, value.replace("1618884473", "1618884474")) for name, value in signed.headers)
    assert not claim_of(replace(signed, headers=later)).fits(PUBLIC)


names = st.from_regex(r"[a-z*][a-z0-9_.*-]{0,8}", fullmatch=True)
texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)
bares = st.one_of(
    st.integers(-(10**15) + 1, 10**15 - 1),
    texts,
    st.binary(max_size=12),
    st.booleans(),
    st.from_regex(r"[A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]{0,8}", fullmatch=True).map(Token),
)
items = st.builds(Item, bares, st.dictionaries(names, bares, max_size=3))
members = st.one_of(items, st.builds(InnerList, st.lists(items, max_size=4).map(tuple), st.dictionaries(names, bares)))


@given(st.dictionaries(names, members, min_size=1, max_size=4))
def test_what_is_written_is_read_again(dictionary):
    text = ", ".join(f"{name}={written(member)}" for name, member in dictionary.items())
    assert read_dictionary(text) == dictionary


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    with suppress(ValueError):
        assert written(next(iter(read_dictionary(text).values())))
