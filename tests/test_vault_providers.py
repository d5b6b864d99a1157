"""Providers of wrapping keys: one contract for key files of both kinds and a key server, and the service's faults."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from ringfence.refusal import Refused
from ringfence.vault.key_file import AES, HYBRID, KeyFiles, hybrid_is_available
from ringfence.vault.key_server import KeyServer
from ringfence.vault.key_token import TOKEN_ALGORITHM, KeyToken
from ringfence.vault.providers import Provider, read_choice
from vault_key_server import key_server

SECRET = b"s" * 32
MODULES = [
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
    Path("/opt/homebrew/lib/softhsm/libsofthsm2.so"),
]
PIN = "271828"


@dataclass
class Token:
    """A token of SoftHSM, a hardware security module without the hardware."""

    module: str
    label: str
    pin: Path


@pytest.fixture(scope="session")
def tokens(tmp_path_factory):
    """A folder of tokens of this run, which the module reads when it is loaded."""
    module = next((each for each in MODULES if each.exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed on this machine (Debian: apt-get install softhsm2)")
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (the extra pkcs11)")
    home = tmp_path_factory.mktemp("softhsm")
    (home / "tokens").mkdir()
    settings = home / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {home / 'tokens'}\nlog.level = ERROR\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SOFTHSM2_CONF", str(settings))
        labels = [f"token-{number}" for number in range(12)]
        for label in labels:  # all of them before the module is loaded, which looks once
            made = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "314159"]
            subprocess.run(made, check=True, capture_output=True)
        yield [(str(module), label) for label in labels]


@pytest.fixture
def token(tokens, tmp_path):
    """A token that nobody has used yet."""
    module, label = tokens.pop()
    pin = tmp_path / "token.pin"
    pin.write_text(f"{PIN}\n", encoding="ascii")
    return Token(module, label, pin)


@dataclass
class Kind:
    """How a provider of a kind is opened (twice gives two that share their keys), and its algorithm."""

    open: object
    algorithm: str


@pytest.fixture(params=["file", "hybrid", "server", "token"])
def kind(request, tmp_path):
    if request.param == "token":
        token = request.getfixturevalue("token")
        yield Kind(lambda: KeyToken(token.module, token.label, token.pin), TOKEN_ALGORITHM)
        return
    if request.param == "server":
        with key_server(tmp_path) as service:
            yield Kind(lambda: KeyServer(service.url, tmp_path / "kms.token"), "key-server")
        return
    if request.param == "hybrid" and not hybrid_is_available():
        pytest.skip("the cryptographic library at hand has no ML-KEM-768")
    yield Kind(lambda: KeyFiles(tmp_path / "vault"), HYBRID if request.param == "hybrid" else AES)


def refused(call, *arguments):
    with pytest.raises(Refused) as said:
        call(*arguments)
    return said.value.name


def test_what_was_wrapped_opens_under_the_same_key_and_context_alone(kind):
    provider: Provider = kind.open()
    provider.make("one", kind.algorithm)
    provider.make("two", kind.algorithm)
    wrapped = provider.wrap("one", SECRET, b"context")
    assert SECRET not in wrapped
    assert kind.open().unwrap("one", wrapped, b"context") == SECRET
    assert provider.wrap("one", SECRET, b"context") != wrapped
    assert refused(provider.unwrap, "one", wrapped, b"another") == "wrapped_key_does_not_open"
    assert refused(provider.unwrap, "two", wrapped, b"context") == "wrapped_key_does_not_open"
    for place in (2, len(wrapped) // 2, len(wrapped) - 1):
        changed = bytearray(wrapped)
        changed[place] ^= 1
        assert refused(provider.unwrap, "one", bytes(changed), b"context") == "wrapped_key_does_not_open"
    assert refused(provider.unwrap, "one", wrapped[:5], b"context") == "wrapped_key_does_not_open"


def test_a_key_that_is_there_already_stays(kind):
    provider: Provider = kind.open()
    provider.make("one", kind.algorithm)
    wrapped = provider.wrap("one", SECRET, b"")
    kind.open().make("one", kind.algorithm)
    assert provider.unwrap("one", wrapped, b"") == SECRET


def test_a_key_that_is_not_there_is_missing(kind):
    provider: Provider = kind.open()
    assert refused(provider.wrap, "none", SECRET, b"") == "wrapping_key_is_missing"
    assert refused(provider.unwrap, "none", b"\x01\x01" + bytes(60), b"") == "wrapping_key_is_missing"


# -- key files -------------------------------------------------------------------------------------------------------


def test_a_key_file_is_nobody_elses_and_no_path_leads_out_of_its_folder(tmp_path):
    files = KeyFiles(tmp_path / "vault")
    files.make("one", AES)
    [file] = (tmp_path / "vault").iterdir()
    assert (file.name, file.stat().st_mode & 0o777, (tmp_path / "vault").stat().st_mode & 0o777) == (
        "one.key",
        0o600,
        0o700,
    )
    assert refused(files.wrap, "../one", SECRET, b"") == "wrapping_key_is_missing"
    assert refused(files.make, "two", "rot13") == "algorithm_is_not_available"


@pytest.mark.parametrize(
    "content", ["", "aes-256-gcm\n", "aes-256-gcm\nzz\n", "aes-256-gcm\n00ff\n", "other\n" + "00" * 32]
)
def test_a_damaged_key_file_says_so(tmp_path, content):
    files = KeyFiles(tmp_path)
    (tmp_path / "one.key").write_text(content)
    assert refused(files.wrap, "one", SECRET, b"") == "key_is_damaged"


def test_a_key_of_one_algorithm_does_not_open_what_another_wrapped(tmp_path):
    files = KeyFiles(tmp_path)
    files.make("one", AES)
    wrapped = files.wrap("one", SECRET, b"")
    assert refused(files.unwrap, "one", wrapped[:1] + b"\x03" + wrapped[2:], b"") == "wrapped_key_does_not_open"


# -- the key server's faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (500, "key_server_does_not_answer"),
        (429, "key_server_does_not_answer"),
        (403, "key_server_refuses"),
        ("garbage", "key_server_does_not_answer"),
        ("empty", "key_server_does_not_answer"),
    ],
)
def test_every_fault_of_the_service_has_its_name_and_the_next_answer_is_taken(tmp_path, fault, name):
    with key_server(tmp_path) as service:
        provider = KeyServer(service.url, tmp_path / "kms.token")
        provider.make("one", "key-server")
        wrapped = provider.wrap("one", SECRET, b"c")
        service.failing = fault
        assert refused(provider.unwrap, "one", wrapped, b"c") == name
        service.failing = None
        assert provider.unwrap("one", wrapped, b"c") == SECRET


def test_a_service_that_is_not_there_and_a_token_that_is_not_its_own(tmp_path):
    (tmp_path / "kms.token").write_text("a wrong one")
    nobody = KeyServer("http://127.0.0.1:9/v1/ring", tmp_path / "kms.token")
    assert refused(nobody.wrap, "one", SECRET, b"") == "key_server_does_not_answer"
    assert refused(KeyServer(nobody.ring, tmp_path / "none").wrap, "one", SECRET, b"") == "key_server_does_not_answer"
    (tmp_path / "home").mkdir()
    with key_server(tmp_path / "home") as service:
        stranger = KeyServer(service.url, tmp_path / "kms.token")
        assert refused(stranger.make, "one", "key-server") == "key_server_refuses"


def test_a_service_that_sends_us_elsewhere_is_not_followed(tmp_path):
    """The token and the secret would go along."""
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    with key_server(tmp_path / "here") as service, key_server(tmp_path / "there") as other:
        provider = KeyServer(service.url, tmp_path / "here" / "kms.token")
        service.failing, service.elsewhere = 307, f"{other.url}/cryptoKeys?cryptoKeyId=one"
        assert refused(provider.make, "one", "key-server") == "key_server_does_not_answer"
        assert (service.asked, other.asked) == (1, 0)


# -- the choice ------------------------------------------------------------------------------------------------------


def test_without_a_file_the_preferred_algorithms_and_a_key_file_are_chosen(tmp_path):
    choice = read_choice(tmp_path)
    assert (choice.field, choice.wrap, choice.provider) == ("aes-256-gcm", "aes-256-gcm", "file")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('field = "aes-256-cbc"', "algorithm_is_forbidden"),
        ('wrap = "rsa-pkcs1-v1_5"', "algorithm_is_forbidden"),
        ('field = "rot13"', "algorithm_is_unknown"),
        ('field = "hpke-x25519-mlkem768"', "algorithm_is_unknown"),
        ('field = "sm4-gcm"\n[standing]\nsm4-gcm = "forbidden"', "algorithm_is_forbidden"),
        ('provider = "server"', "key_provider_is_unknown"),
        ('[server]\nurl = "http://elsewhere.example"\ntoken_file = "t"', "vault_configuration_is_wrong"),
        ('[server]\nurl = "https://elsewhere.example"', "vault_configuration_is_wrong"),
        ('[standing]\naes-256-cbc = "accepted"', "vault_configuration_is_wrong"),
        ("feild = 1", "vault_configuration_is_wrong"),
        ("= nonsense", "vault_configuration_is_wrong"),
    ],
)
def test_a_wrong_choice_is_refused_by_name(tmp_path, text, name):
    (tmp_path / "vault.toml").write_text(text)
    assert refused(read_choice, tmp_path) == name


# -- a token's faults ------------------------------------------------------------------------------------------------


def test_a_key_never_leaves_its_token(token):
    import pkcs11

    provider = KeyToken(token.module, token.label, token.pin)
    provider.make("one", TOKEN_ALGORITHM)
    wrapped = provider.wrap("one", SECRET, b"")
    assert wrapped[:2] == b"\x01\x05"
    assert len(wrapped) == 2 + 12 + len(SECRET) + 16
    session = pkcs11.lib(token.module).get_token(token_label=token.label).open()
    [key] = session.get_objects({pkcs11.Attribute.LABEL: "ringfence/one"})
    assert key[pkcs11.Attribute.SENSITIVE]
    assert not key[pkcs11.Attribute.EXTRACTABLE]
    assert key[pkcs11.Attribute.NEVER_EXTRACTABLE]
    with pytest.raises(pkcs11.AttributeSensitive):
        key[pkcs11.Attribute.VALUE]


def test_two_programs_that_made_a_key_at_once_open_what_either_wrapped(token):
    provider = KeyToken(token.module, token.label, token.pin)
    provider.make("one", TOKEN_ALGORITHM)
    first = provider.wrap("one", SECRET, b"")
    provider._ask(lambda session: provider._make(session, "one"))
    second = provider.wrap("one", SECRET, b"")
    assert provider.unwrap("one", first, b"") == provider.unwrap("one", second, b"") == SECRET


def test_a_wrong_pin_is_tried_once_and_the_right_one_at_once(token):
    """SoftHSM does not lock; a real token would after a few."""
    token.pin.write_text("000000\n", encoding="ascii")
    provider = KeyToken(token.module, token.label, token.pin)
    with pytest.raises(Refused) as first:
        provider.make("one", TOKEN_ALGORITHM)
    with pytest.raises(Refused) as second:
        provider.make("one", TOKEN_ALGORITHM)
    assert (first.value.name, second.value.name) == ("key_token_refuses_the_pin", "key_token_refuses_the_pin")
    assert (first.value.facts["detail"], second.value.facts["detail"]) == ("PinIncorrect", "it was not tried again")
    token.pin.write_text(f"{PIN}\n", encoding="ascii")
    provider.make("one", TOKEN_ALGORITHM)
    token.pin.unlink()
    assert refused(KeyToken(token.module, token.label, token.pin).make, "one", TOKEN_ALGORITHM) == (
        "key_token_refuses_the_pin"
    )


def test_a_token_that_is_not_there_and_a_module_that_is_none_are_named(token, tmp_path):
    assert (
        refused(KeyToken(token.module, "elsewhere", token.pin).make, "one", TOKEN_ALGORITHM) == "key_token_is_missing"
    )
    nothing = tmp_path / "nothing.so"
    for _ in range(2):
        assert refused(KeyToken(str(nothing), token.label, token.pin).make, "one", TOKEN_ALGORITHM) == (
            "key_module_does_not_load"
        )
        nothing.write_bytes(b"no library")
    assert refused(KeyToken(token.module, token.label, token.pin).make, "one", AES) == "algorithm_is_not_available"


# The library complains when it forgets a search of a session that is gone.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_session_that_broke_off_is_opened_anew(token):
    provider = KeyToken(token.module, token.label, token.pin)
    provider.make("one", TOKEN_ALGORITHM)
    wrapped = provider.wrap("one", SECRET, b"")
    provider._session.close()
    assert refused(provider.unwrap, "one", wrapped, b"") == "key_token_does_not_answer"
    assert provider.unwrap("one", wrapped, b"") == SECRET


def test_an_installation_chooses_its_token(tmp_path, token):
    said = (
        f'provider = "pkcs11"\n[pkcs11]\nmodule = "{token.module}"\ntoken = "{token.label}"\npin_file = "token.pin"\n'
    )
    (tmp_path / "vault.toml").write_text(said, encoding="utf-8")
    choice = read_choice(tmp_path)
    assert (choice.provider, choice.wrap) == ("pkcs11", TOKEN_ALGORITHM)
    provider = choice.provider_named("pkcs11")
    provider.make("one", choice.wrap)
    assert provider.unwrap("one", provider.wrap("one", SECRET, b""), b"") == SECRET
    (tmp_path / "vault.toml").write_text('provider = "pkcs11"\n[pkcs11]\nmodule = "x"\n', encoding="utf-8")
    assert refused(read_choice, tmp_path) == "vault_configuration_is_wrong"
