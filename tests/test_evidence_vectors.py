"""Published vectors of what evidence and the vault take from libraries: ML-DSA-44, HKDF, the public half of ML-KEM-768.

Which file of the folder is for what, and which is for nothing and why, is on docs/reference/vectors.md.
"""

import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

pytestmark = pytest.mark.real_files


@pytest.fixture(scope="module")
def cases(real_files):
    """Every case of a file of Wycheproof, with its group."""

    def read(name):
        said = json.loads((real_files / "vectors" / "wycheproof" / "testvectors_v1" / name).read_text())
        return [(group, case) for group in said["testGroups"] for case in group["tests"]]

    return read


def test_ml_dsa_44_signatures_are_judged_as_wycheproof_judges_them(cases):
    """What the notary's second signature and a witness's are verified with."""
    counted = 0
    for group, case in cases("mldsa_44_verify_test.json"):
        context = bytes.fromhex(case["ctx"]) if "ctx" in case else None
        try:
            public = MLDSA44PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]))
            public.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]), context)
            found = "valid"
        except (InvalidSignature, ValueError):
            found = "invalid"
        assert found == case["result"], (case["tcId"], case["flags"])
        counted += 1
    assert counted == 180


def test_ml_dsa_44_keys_from_seeds_are_those_of_wycheproof_and_what_they_sign_verifies(cases):
    """The library signs with chance of its own, so the published signature is verified and ours is too. Eight cases
    give the hash of the message alone, which no function of ours takes.
    """
    counted = 0
    for group, case in cases("mldsa_44_sign_seed_test.json"):
        if "msg" not in case:
            continue
        context = bytes.fromhex(case["ctx"]) if "ctx" in case else None
        try:
            private = MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(group["privateSeed"]))
            signed = private.sign(bytes.fromhex(case["msg"]), context)
        except ValueError:
            assert case["result"] == "invalid", case["tcId"]
            counted += 1
            continue
        assert case["result"] == "valid", case["tcId"]
        public = private.public_key()
        assert public.public_bytes_raw().hex() == group["publicKey"]
        for signature in (signed, bytes.fromhex(case["sig"])):
            public.verify(signature, bytes.fromhex(case["msg"]), context)
        counted += 1
    assert counted == 78


def test_hkdf_sha256_passes_wycheproof(cases):
    """What HPKE derives its keys with."""
    for _, case in cases("hkdf_sha256_test.json"):
        secret, salt, said = (bytes.fromhex(case[part]) for part in ("ikm", "salt", "info"))
        try:
            made = HKDF(SHA256(), case["size"], salt, said).derive(secret)
        except ValueError:
            assert case["result"] == "invalid", case["tcId"]
        else:
            assert (made.hex() == case["okm"]) is (case["result"] == "valid"), case["tcId"]


def test_ml_kem_768_keys_from_seeds_are_those_of_wycheproof(cases):
    for _, case in cases("mlkem_768_keygen_seed_test.json"):
        private = MLKEM768PrivateKey.from_seed_bytes(bytes.fromhex(case["seed"]))
        assert private.public_key().public_bytes_raw().hex() == case["ek"], case["tcId"]


def test_ml_kem_768_takes_no_public_key_that_is_out_of_range(cases):
    """The chance of an encapsulation is the library's own, so of the valid cases only the key is taken."""
    for _, case in cases("mlkem_768_encaps_test.json"):
        try:
            MLKEM768PublicKey.from_public_bytes(bytes.fromhex(case["ek"])).encapsulate()
            found = "valid"
        except ValueError:
            found = "invalid"
        assert found == case["result"], case["tcId"]
