"""A timestamp a day: asked of `openssl ts` as the authority, verified by the notary before it is kept, by the
stranger's program, and by openssl itself.
"""

import hashlib
import http.server
import json
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from evidence_world import VERIFIER
from ringfence.evidence.checkpoint import Checkpoint, sign_checkpoint
from ringfence.evidence.export import export
from ringfence.evidence.keys import key_lines
from ringfence.evidence.note import Signer, parse_note
from ringfence.evidence.tiles import (
    EMPTY_EDGE,
    File,
    grow,
    keep_checkpoint,
    publish_checkpoint,
    read_file,
    write_files,
)
from ringfence.evidence.timestamping import (
    Stamping,
    Timestamping,
    check_timestamp,
    kept_timestamps,
    read_timestamping,
    stamp_poster,
)
from ringfence.evidence.witnessing import read_witnessing
from ringfence.refusal import Refused
from test_verifier_folder import day_of_records
from time_stamping import authority

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not here to be the authority")

SIGNER = Signer.from_seed("ringfence/demo", bytes(range(32)))
URL = "http://tsa.example/"


@pytest.fixture(scope="module")
def tsa(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("tsa"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    return authority(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def trusted(tsa):
    (tsa.folder / "witnesses.toml").write_text(f'[timestamps]\nurl = "{URL}"\ncertificate = "root.pem"\n')
    return read_timestamping(tsa.folder)


class Log:
    """A log that grows, and what its authority answers: `change` is done to each answer."""

    def __init__(self, folder, trusted, tsa):
        self.folder, self.edge, self.tsa = folder, EMPTY_EDGE, tsa
        self.records = [record for portion in [*day_of_records()] for record in portion]
        self.now = datetime.now(UTC)
        self.asked = 0
        self.change = lambda answer: answer
        self.grow(5)
        write_files(folder, [File("notary.vkey", key_lines(SIGNER.verifier).encode())])
        self.stamping = Stamping(folder, SIGNER.verifier, trusted, self.post, lambda: self.now)

    def post(self, url, body):
        assert url == URL
        self.asked += 1
        return self.change(self.tsa.answer(body))

    def grow(self, size):
        self.edge, files = grow(self.edge, self.records[self.edge.size : size])
        write_files(self.folder, files)
        note = sign_checkpoint(Checkpoint(SIGNER.name, self.edge.size, self.edge.root), [SIGNER])
        keep_checkpoint(self.folder, self.edge.size, note)
        publish_checkpoint(self.folder, note)

    def text(self, size):
        return parse_note(read_file(self.folder, f"checkpoints/{size}")).text.encode()

    def stamp(self, size):
        return read_file(self.folder, f"timestamps/{size}.tsr")

    def names(self):
        return [each.name for each in self.stamping.round()]


@pytest.fixture
def log(tmp_path, trusted, tsa):
    return Log(tmp_path / "demo", trusted, tsa)


def test_the_latest_checkpoint_is_stamped_once_a_day(log, trusted, tsa):
    """Today's, then nothing until tomorrow, then nothing while nothing is new; a restart knows what was done."""
    assert log.stamping.round() == []
    assert kept_timestamps(log.folder) == [5]
    said = check_timestamp(log.stamp(5), log.text(5), 5, trusted.certificates)
    assert abs(said - log.now) < timedelta(minutes=1)
    assert tsa.verifies(log.stamp(5), log.text(5))
    log.grow(7)
    again = Stamping(log.folder, SIGNER.verifier, trusted, log.post, lambda: log.now)
    for stamping in (log.stamping, again):
        assert stamping.round() == []
    assert log.asked == 1
    log.now += timedelta(days=1)
    assert [each.name for each in again.round()] == ["timestamp_is_of_another_time"]  # the authority's clock is today's
    assert log.asked == 2


def test_nothing_is_asked_while_nothing_is_new_or_signed(log, tmp_path, trusted):
    empty = Stamping(tmp_path / "none", SIGNER.verifier, trusted, log.post, lambda: log.now)
    assert empty.round() == []
    log.stamping.round()
    log.now += timedelta(days=3)
    assert log.stamping.round() == []
    assert log.asked == 1


def bit_of(needle):
    """One bit of what stands in the answer, changed."""

    def change(answer):
        at = answer.rindex(needle)
        return answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1 :]

    return change


def test_a_wrong_answer_is_named_and_not_kept(log, tsa, other):
    """Each by its name, once a day; then a right one is taken."""
    imprint = hashlib.sha256(log.text(5)).digest()
    builder = TimestampRequestBuilder().hash_algorithm(HashAlgorithm.SHA256)
    earlier = builder.data(log.text(5)).build().as_bytes()
    wrong = {
        "timestamp_is_of_another_request": lambda _: tsa.answer(earlier),
        "timestamp_is_of_something_else": bit_of(imprint),
        "timestamp_certificate_was_not_valid": lambda _: tsa.answer(log.request, "ended"),
        "timestamp_is_not_the_authoritys": lambda _: other.answer(log.request),
        "timestamp_is_malformed": lambda answer: answer[:-1],
        "timestamp_is_refused": lambda _: tsa.answer(
            log.request.replace(b"\x60\x86\x48\x01\x65", b"\x60\x86\x48\x01\x66")
        ),
    }
    post = log.post

    def keeping(url, body):
        log.request = body
        return post(url, body)

    log.stamping._post = keeping
    for name, change in wrong.items():
        log.change = change
        log.now += timedelta(minutes=1)
        assert log.names() == [name], name
        assert log.names() == [], "it is asked again in a minute"
        log.now += timedelta(minutes=2)
        assert log.names() == [], "it was said today"
    log.change = lambda answer: answer[:-3] + bytes([answer[-3] ^ 1]) + answer[-2:]  # of the signature
    log.now += timedelta(minutes=2)
    assert log.names() == ["timestamp_is_not_the_authoritys"]
    assert kept_timestamps(log.folder) == []
    log.now, log.change = datetime.now(UTC), lambda answer: answer
    log.stamping._tried = None
    assert log.names() == []
    assert kept_timestamps(log.folder) == [5]


def test_silence_is_an_alarm_after_an_hour_that_names_the_day(log):
    def silent(_, __):
        raise OSError("connection refused")

    log.stamping._post = silent
    for minutes in range(0, 60, 10):
        assert log.names() == [], minutes
        log.now += timedelta(minutes=10)
    [found] = log.stamping.round()
    assert (found.name, found.facts["day"]) == ("timestamp_is_missing", log.now.date().isoformat())
    log.now += timedelta(minutes=10)
    assert log.names() == []
    log.now += timedelta(days=1)
    assert log.names() == ["timestamp_is_missing"]


@contextmanager
def over_http(tsa, status=200, length=None):
    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.headers["Content-Type"] == "application/timestamp-query"
            body = tsa.answer(asked) if length is None else bytes(length)
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def test_an_authority_is_asked_over_http_and_no_answer_is_endless(log, tsa, trusted):
    with httpx.Client() as client:
        post = stamp_poster(client)
        with over_http(tsa) as url:
            asked = Timestamping(url, trusted.certificates)
            assert Stamping(log.folder, SIGNER.verifier, asked, post, lambda: log.now).round() == []
        assert kept_timestamps(log.folder) == [5]
        with over_http(tsa, status=503) as url, pytest.raises(OSError, match="503"):
            post(url, TimestampRequestBuilder().data(b"x").build().as_bytes())
        with over_http(tsa, length=200_000) as url, pytest.raises(OSError, match="does not end"):
            post(url, b"x")
        with pytest.raises(OSError, match=r"refused|connect"):
            post("http://127.0.0.1:9/", b"x")


# -- the stranger ------------------------------------------------------------------------------------------------------


def checked(folder, certificate):
    ended = subprocess.run(
        [sys.executable, VERIFIER, folder, "--json", "--tsa-cert", certificate],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if ended.returncode == 2:
        return None, ended.stderr
    checks = {check["name"]: check for check in json.loads(ended.stdout)["checks"]}
    return checks["timestamps"]["valid"], checks["timestamps"]["detail"]


@pytest.fixture
def exported(log, tmp_path):
    """An export with the stamp of an older checkpoint."""
    log.stamping.round()
    log.grow(len(log.records))
    export(tmp_path / "export", log.folder, SIGNER.verifier)
    return tmp_path / "export"


def test_a_stranger_reads_when_a_checkpoint_was_there(exported, tsa, other):
    assert (exported / "timestamps" / "5.tsr").is_file()
    valid, detail = checked(exported, tsa.root)
    assert valid, detail
    assert datetime.now(UTC).strftime("%Y-%m-%d") in detail
    assert subprocess.run([sys.executable, VERIFIER, exported], check=False, capture_output=True).returncode == 0
    valid, detail = checked(exported, other.root)
    assert not valid
    assert "timestamps/5.tsr is not signed under the certificate you gave" in detail
    assert checked(exported, tsa.folder / "signer.key")[0] is None


@pytest.fixture(scope="module")
def stranger():
    """The verifier's own module."""
    sys.path.insert(0, str(VERIFIER.parent))
    try:
        import timestamps

        yield timestamps
    finally:
        sys.path.remove(str(VERIFIER.parent))


def test_no_byte_of_what_a_timestamp_says_or_signs_can_be_changed(log, tsa, stranger):
    """One bit in every byte: what still holds is the same hash at the same time. What lies about the token (how the
    answer greets) is nobody's statement.
    """
    log.stamping.round()
    answer, text = log.stamp(5), log.text(5)
    given = stranger.read_certificates(tsa.root)
    said = stranger.check_timestamp(answer, text, given, "5.tsr")
    unseen = []
    for at in range(len(answer)):
        changed = answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1 :]
        try:
            assert stranger.check_timestamp(changed, text, given, "5.tsr") == said, at
            unseen.append(at)
        except stranger.Wrong:
            continue
    signed = answer.index(hashlib.sha256(text).digest())
    assert not [at for at in unseen if signed <= at < signed + 60]
    root = given[0].public_bytes(Encoding.DER)  # sent along, and believed from the reader's own file alone
    places = range(answer.index(root), answer.index(root) + len(root))
    assert len([at for at in unseen if at not in places]) < 60, unseen


def test_the_stranger_and_the_notary_judge_alike(log, tsa, other, trusted, stranger):
    given = stranger.read_certificates(tsa.root)
    request = TimestampRequestBuilder().data(log.text(5)).hash_algorithm(HashAlgorithm.SHA256).build().as_bytes()
    for answer, holds in (
        (tsa.answer(request), True),
        (tsa.answer(request, "ended"), False),
        (other.answer(request), False),
        (tsa.answer(request)[:-2], False),
        (b"", False),
    ):
        theirs = ours = True
        try:
            check_timestamp(answer, log.text(5), 5, trusted.certificates)
        except Refused:
            ours = False
        try:
            stranger.check_timestamp(answer, log.text(5), given, "5.tsr")
        except stranger.Wrong:
            theirs = False
        assert (ours, theirs) == (holds, holds)


# -- what is configured ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    ["timestamps = 1", "[timestamps]", '[timestamps]\nurl = "x"', '[timestamps]\nurl = "x"\ncertificate = "none.pem"',
     '[timestamps]\nurl = "x"\ncertificate = "signer.pem"', '[timestamps]\nurl = 1\ncertificate = "root.pem"'],
)  # fmt: skip
def test_a_file_that_does_not_say_whom_to_ask_is_refused(tmp_path, tsa, said):
    for name in ("root.pem", "signer.pem"):
        shutil.copy(tsa.folder / name, tmp_path / name)
    (tmp_path / "witnesses.toml").write_text(said)
    with pytest.raises(Refused, match="witnesses_file_is_wrong"):
        read_timestamping(tmp_path)


def test_witnesses_and_timestamps_are_told_apart(tmp_path, tsa, trusted):
    assert read_timestamping(tmp_path) is None
    assert read_witnessing(tmp_path) is None
    assert read_witnessing(tsa.folder) is None, "timestamps alone name no witnesses"
    assert trusted.url == URL
