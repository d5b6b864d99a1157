"""Ciphertexts of fields, their masks, and the algorithms against published vectors."""

import hmac
import json
from dataclasses import replace
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ringfence.authority.roles import Role
from ringfence.refusal import Refused
from ringfence.vault import ciphers
from ringfence.vault.algorithms import registry
from ringfence.vault.ciphers import FieldKey, Spot, seal, unseal
from ringfence.vault.fields import FIELDS, HIDDEN, MAY_SEE, PHONE, Grade, Shape, mask, normalised, shown

SPOT = Spot(7, "custody.customer.phone", "c1")
NONCE = b"n" * 12


def key(algorithm):
    return FieldKey(UUID(int=5), "customer:c1", algorithm, b"k" * ciphers.KEY_BYTES[algorithm])


@pytest.fixture(params=["aes-256-gcm", "sm4-gcm"])
def algorithm(request):
    if not ciphers.available(request.param):
        pytest.skip(f"the cryptographic library at hand has no {request.param}")
    return registry().require(request.param, "field")


def test_a_ciphertext_opens_in_its_own_book_column_and_row_alone(algorithm):
    own = key(algorithm.name)
    sealed = seal(own, algorithm.number, SPOT, b"13812345678", NONCE)
    assert unseal(own, algorithm.number, SPOT, sealed) == b"13812345678"
    elsewhere = [
        replace(SPOT, book=8),
        replace(SPOT, row="c2"),
        replace(SPOT, place="custody.customer.identity_number"),
        replace(SPOT, place="custody.customer.phon", row="ec1"),
        replace(SPOT, place="other.customer.phone"),
    ]
    for spot in elsewhere:
        with pytest.raises(Refused, match="ciphertext_does_not_belong_here"):
            unseal(own, algorithm.number, spot, sealed)


def test_no_byte_of_a_ciphertext_can_be_changed(algorithm):
    own = key(algorithm.name)
    sealed = seal(own, algorithm.number, SPOT, b"13812345678", NONCE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Refused, match=r"ciphertext_(does_not_belong_here|is_malformed)"):
            unseal(own, algorithm.number, SPOT, bytes(changed))
    with pytest.raises(Refused, match="ciphertext_is_malformed"):
        unseal(own, algorithm.number, SPOT, sealed[:45])


def test_a_ciphertext_says_which_key_and_algorithm_it_is_of(algorithm):
    sealed = seal(key(algorithm.name), algorithm.number, SPOT, b"x", NONCE)
    assert (sealed[0], ciphers.number_of(sealed), ciphers.key_of(sealed)) == (1, algorithm.number, UUID(int=5))
    assert sealed[18:30] == NONCE
    assert len(sealed) == 30 + 1 + 16


@given(st.binary(max_size=200), st.text(max_size=40), st.text(max_size=40))
def test_whatever_is_sealed_comes_back(value, place, row):
    own, spot = key("aes-256-gcm"), Spot(1, place, row)
    assert unseal(own, 1, spot, seal(own, 1, spot, value, NONCE)) == value


def test_every_algorithm_of_the_table_that_may_be_used_is_there_or_named():
    """Forbidden ones are refused by name whoever asks, and nothing of ours can run them."""
    for each in registry().by_name.values():
        for use in each.use:
            if each.standing == "forbidden":
                with pytest.raises(Refused, match="algorithm_is_forbidden"):
                    registry().require(each.name, use)
                with pytest.raises(Refused, match="algorithm_is_forbidden"):
                    registry().numbered(each.number, use)
                with pytest.raises(Refused, match="algorithm_is_not_available"):
                    ciphers.encrypt(each.name, bytes(32), NONCE, b"", b"")
            else:
                assert registry().numbered(each.number, use) == registry().require(each.name, use)
    numbers = [each.number for each in registry().by_name.values()]
    assert len(set(numbers)) == len(numbers)
    with pytest.raises(Refused, match="algorithm_is_unknown"):
        registry().numbered(200, "field")


@pytest.mark.parametrize(
    ("shape", "value", "masked"),
    [
        (Shape.ACCOUNT, "LT60 1010 0123 4567 8901", "LT60••••8901"),
        (Shape.ACCOUNT, "6222020200012345678", "6222••••5678"),
        (Shape.ACCOUNT, "1234567", "••••67"),
        (Shape.ACCOUNT, "1234", "••••"),
        (Shape.ACCOUNT, "", "••••"),
        (Shape.PHONE, "+86 138-1234-5678", "+86••••5678"),
        (Shape.IDENTITY, "11010519491231002x", "110••••002X"),
        (Shape.PAYMENT, '{"all": "of it"}', "••••"),
    ],
)
def test_what_a_mask_leaves(shape, value, masked):
    assert mask(shape, value) == masked


@given(st.sampled_from([Shape.ACCOUNT, Shape.PHONE, Shape.IDENTITY]), st.text("0123456789AX", min_size=5, max_size=34))
def test_a_mask_hides_at_least_three_characters(shape, value):
    left = mask(shape, value).replace(HIDDEN, "")
    assert len(normalised(shape, value)) - len(left) >= 3


def test_grades_decide_what_is_shown():
    assert shown(replace(PHONE, grade=Grade.C1), "13812345678") == "13812345678"
    assert shown(PHONE, "13812345678") == "138••••5678"
    assert shown(replace(PHONE, grade=Grade.C3), "13812345678") == HIDDEN
    assert {each.grade for each in FIELDS.values()} == {Grade.C2}, "C3 is never kept"
    assert set(MAY_SEE) == {Role.APPROVER, Role.RISK_OFFICER}


# -- published vectors -----------------------------------------------------------------------------------------------


def vectors(folder, name):
    said = json.loads((folder / "vectors" / "wycheproof" / "testvectors_v1" / name).read_text())
    for group in said["testGroups"]:
        for each in group["tests"]:
            yield group, each


@pytest.mark.real_files
@pytest.mark.parametrize(
    ("name", "file", "key_size", "least"),
    [("aes-256-gcm", "aes_gcm_test.json", 256, 60), ("sm4-gcm", "sm4_gcm_test.json", 128, 60)],
)
def test_the_field_algorithms_pass_wycheproof(real_files, name, file, key_size, least):
    """Of the sizes that the vault uses: nonces of 96 bits, tags of 128."""
    if not ciphers.available(name):
        pytest.skip(f"the cryptographic library at hand has no {name}")
    counted = 0
    for group, each in vectors(real_files, file):
        if (group["ivSize"], group["keySize"], group["tagSize"]) != (96, key_size, 128):
            continue
        secret, nonce, associated, value = (bytes.fromhex(each[part]) for part in ("key", "iv", "aad", "msg"))
        sealed = bytes.fromhex(each["ct"] + each["tag"])
        if each["result"] == "invalid":
            with pytest.raises(InvalidTag):
                ciphers.decrypt(name, secret, nonce, sealed, associated)
        else:
            assert ciphers.decrypt(name, secret, nonce, sealed, associated) == value, each["tcId"]
            assert ciphers.encrypt(name, secret, nonce, value, associated) == sealed, each["tcId"]
        counted += 1
    assert counted >= least


@pytest.mark.real_files
def test_the_index_is_hmac_sha256_as_wycheproof_has_it(real_files):
    counted = 0
    for group, each in vectors(real_files, "hmac_sha256_test.json"):
        made = hmac.digest(bytes.fromhex(each["key"]), bytes.fromhex(each["msg"]), "sha256")
        assert (made[: group["tagSize"] // 8].hex() == each["tag"]) is (each["result"] == "valid"), each["tcId"]
        counted += 1
    assert counted >= 150


@pytest.mark.real_files
def test_ml_kem_768_passes_wycheproof(real_files):
    """The lattice half of the hybrid wrap: from a seed and a ciphertext the same secret."""
    mlkem = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mlkem")
    counted = 0
    for _, each in vectors(real_files, "mlkem_768_test.json"):
        seed, encapsulated = bytes.fromhex(each["seed"]), bytes.fromhex(each["c"])
        if len(seed) != 64 or each["result"] == "invalid":
            with pytest.raises(ValueError, match=r"(?i)seed|ciphertext|length|invalid"):
                mlkem.MLKEM768PrivateKey.from_seed_bytes(seed).decapsulate(encapsulated)
        else:
            private = mlkem.MLKEM768PrivateKey.from_seed_bytes(seed)
            assert private.decapsulate(encapsulated).hex() == each["K"], each["tcId"]
        counted += 1
    assert counted >= 150


@pytest.mark.real_files
def test_the_wrap_of_a_key_file_is_the_aes_that_wycheproof_tested(real_files):
    """What the key file calls is the library's AESGCM, and nothing of ours stands between."""
    for group, each in vectors(real_files, "aes_gcm_test.json"):
        if (group["ivSize"], group["keySize"]) == (96, 256) and each["result"] == "valid":
            secret, nonce, associated, value = (bytes.fromhex(each[part]) for part in ("key", "iv", "aad", "msg"))
            assert AESGCM(secret).encrypt(nonce, value, associated).hex() == each["ct"] + each["tag"]
