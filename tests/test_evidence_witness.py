"""A witness: what it signs, what it refuses, what it never forgets; and the notary that asks it."""

import base64
import json
import random
import socket
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from console_world import served
from ringfence.evidence import serving
from ringfence.evidence.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ringfence.evidence.cosignature import ED25519, ML_DSA_44, Cosigner, time_of
from ringfence.evidence.note import Signer, open_note, parse_note, parse_signatures
from ringfence.evidence.quorum import parse_quorum
from ringfence.evidence.tiles import EMPTY_EDGE, grow, keep_checkpoint, publish_checkpoint, read_file, write_files
from ringfence.evidence.tree import EMPTY, append, prove_tree, record_hashes, root
from ringfence.evidence.witness import server
from ringfence.evidence.witness.asking import Asking
from ringfence.evidence.witness.requests import AddCheckpoint, Answer, parse_request, size_of
from ringfence.evidence.witness.server import application
from ringfence.evidence.witness.state import State, found_state
from ringfence.evidence.witness.witness import Witness
from ringfence.refusal import Refused

LOG = Signer.from_seed("ringfence/demo", bytes(range(32)))
OTHER_LOG = Signer.from_seed("ringfence/other", bytes(range(1, 33)))
STRANGER = Signer.from_seed("ringfence/demo", bytes(32))
BANK = (
    Cosigner.from_seed("bank.example/w1", ED25519, b"b" * 32),
    Cosigner.from_seed("bank.example/w1", ML_DSA_44, b"q" * 32),
)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class History:
    """Records of a log, its trees at any size, and the proofs between them."""

    def __init__(self, records: list[bytes]) -> None:
        self.levels: list[list[bytes]] = []
        _, self.levels = append(EMPTY, record_hashes(records))
        self.hashes = record_hashes(records)

    def root(self, size: int) -> bytes:
        return root(append(EMPTY, self.hashes[:size])[0])

    def read(self, coordinates):
        return [self.levels[level][index] for level, index in coordinates]

    def note(self, size: int, signer: Signer = LOG, origin: str | None = None) -> bytes:
        return sign_checkpoint(Checkpoint(origin or signer.name, size, self.root(size)), [signer])

    def request(self, old: int, size: int, signer: Signer = LOG) -> bytes:
        proof = tuple(prove_tree(old, size, self.read)) if 0 < old < size else ()
        return AddCheckpoint(old, proof, self.note(size, signer)).written()


ONE = History([f"row {number}".encode() for number in range(40)])
TWO = History([f"row {number}".encode() if number < 10 else f"other {number}".encode() for number in range(40)])


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def witness(tmp_path, clock):
    found_state(tmp_path)
    state = State(tmp_path)
    yield Witness(state, BANK, [LOG.verifier, OTHER_LOG.verifier], clock)
    state.close()


def test_a_checkpoint_that_continues_the_last_is_cosigned_by_every_key(witness):
    assert witness.add_checkpoint(ONE.request(0, 10)).status == 200
    answer = witness.add_checkpoint(ONE.request(10, 25))
    assert answer.status == 200
    opened = open_note(ONE.note(25) + answer.body, [each.key for each in BANK])
    assert [(line.name, time_of(line)) for line in opened.verified] == [("bank.example/w1", NOON.timestamp())] * 2


def test_two_histories_of_one_log_are_never_both_signed_and_the_second_is_kept(witness):
    """The log shows one history to the bank and another to the auditor."""
    assert witness.add_checkpoint(ONE.request(0, 20)).status == 200
    assert witness.add_checkpoint(TWO.request(20, 30)).status == 422
    answer = witness.add_checkpoint(TWO.request(20, 20))
    assert (answer.status, size_of(answer), answer.type) == (409, 20, "text/x.tlog.size")
    kept = State.contradictions(witness._state)
    assert (len(kept), len(witness._state.unproven())) == (1, 1)
    for path in (*kept, *witness._state.unproven()):
        against = open_checkpoint(path.read_bytes(), LOG.name, [LOG.verifier])
        assert against.root == TWO.root(against.size) != ONE.root(against.size)


def test_another_old_size_is_answered_with_what_was_signed_last(witness):
    answer = witness.add_checkpoint(ONE.request(5, 8))
    assert (answer.status, size_of(answer)) == (409, 0)
    witness.add_checkpoint(ONE.request(0, 8))
    for old in (0, 5):
        answer = witness.add_checkpoint(ONE.request(old, 12))
        assert (answer.status, answer.body, answer.type) == (409, b"8\n", "text/x.tlog.size")


def test_the_same_checkpoint_may_be_signed_again_at_a_later_time(witness, clock):
    witness.add_checkpoint(ONE.request(0, 8))
    clock.now += timedelta(minutes=5)
    answer = witness.add_checkpoint(ONE.request(8, 8))
    assert answer.status == 200
    assert [time_of(line) for line in parse_signatures(answer.body.decode())] == [int(clock.now.timestamp())] * 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (ONE.request(0, 8, STRANGER), 403),
        (AddCheckpoint(0, (), ONE.note(8, STRANGER, "ringfence/unknown")).written(), 404),
        (AddCheckpoint(0, (), ONE.note(8, OTHER_LOG, "ringfence/demo")).written(), 403),
        (AddCheckpoint(9, (), ONE.note(8)).written(), 400),
        (AddCheckpoint(0, (bytes(32),), ONE.note(8)).written(), 422),
        (b"", 400),
        (b"old 00\n\n" + ONE.note(8), 400),
        (b"old -1\n\n" + ONE.note(8), 400),
        (b"old 0\n" + ONE.note(8), 400),
        (b"old 0\nAAAA\n\n" + ONE.note(8), 400),
        (b"old 0\n" + (base64.b64encode(bytes(32)) + b"\n") * 64 + b"\n" + ONE.note(8), 400),
        (b"old 0\n\nnothing signed\n", 400),
        (b"old 0\n\n" + ONE.note(8).replace("— ".encode(), "— a".encode()), 403),
        (b"old 0\n\n\xff\xfe", 400),
    ],
)
def test_what_is_wrong_is_refused_with_the_status_of_the_specification(witness, body, status):
    answer = witness.add_checkpoint(body)
    assert answer.status == status, answer
    assert witness.last_signed(LOG.name) is None


def test_nobody_accuses_a_log_by_sending_its_checkpoint_with_a_wrong_proof(witness):
    """A log's checkpoints are public. Sent with rubbish they wait to be proven, once each, and no more."""
    witness.add_checkpoint(ONE.request(0, 10))
    note = parse_request(ONE.request(10, 25)).note
    for more in (b"", "— nobody AAAAAAAA\n".encode()):
        assert witness.add_checkpoint(AddCheckpoint(10, (bytes(32),), note + more).written()).status == 422
    assert (len(witness._state.contradictions()), len(witness._state.unproven())) == (0, 1)
    assert witness.add_checkpoint(ONE.request(10, 25)).status == 200
    assert witness._state.unproven() == []


def test_a_proof_that_is_short_or_of_another_tree_is_refused(witness):
    witness.add_checkpoint(ONE.request(0, 10))
    good = parse_request(ONE.request(10, 25))
    for proof in ((), good.proof[:-1], (*good.proof[:-1], bytes(32)), good.proof[::-1]):
        assert witness.add_checkpoint(AddCheckpoint(10, proof, good.note).written()).status == 422
    assert witness.last_signed(LOG.name)[0].size == 10


def test_signatures_of_others_on_the_note_are_neither_believed_nor_kept(witness):
    note = sign_checkpoint(Checkpoint(LOG.name, 8, ONE.root(8)), [LOG, OTHER_LOG])
    assert witness.add_checkpoint(AddCheckpoint(0, (), note).written()).status == 200
    names = [line.name for line in parse_note(witness._state.last(LOG.name)).signatures]
    assert names == ["ringfence/demo", "bank.example/w1", "bank.example/w1"]


def test_each_log_has_a_history_of_its_own(witness):
    witness.add_checkpoint(ONE.request(0, 20))
    assert witness.add_checkpoint(TWO.request(0, 30, OTHER_LOG)).status == 200
    assert [witness.last_signed(log.name)[0].size for log in (LOG, OTHER_LOG)] == [20, 30]


def test_what_was_signed_is_on_the_disk_before_anybody_hears_of_it(tmp_path, clock, monkeypatch):
    found_state(tmp_path)
    state = State(tmp_path)
    one = Witness(state, BANK, [LOG.verifier], clock)
    one.add_checkpoint(ONE.request(0, 10))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state, "keep", full)
    with pytest.raises(OSError, match="No space"):
        one.add_checkpoint(ONE.request(10, 20))
    monkeypatch.undo()
    state.close()
    again = State(tmp_path)
    assert Witness(again, BANK, [LOG.verifier], clock).add_checkpoint(TWO.request(10, 20)).status == 200
    again.close()


def test_a_witness_goes_on_where_it_was_after_a_restart(tmp_path, clock):
    found_state(tmp_path)
    for old, size in ((0, 10), (10, 20), (20, 40)):
        state = State(tmp_path)
        assert Witness(state, BANK, [LOG.verifier], clock).add_checkpoint(ONE.request(old, size)).status == 200
        state.close()


def test_a_state_that_was_lost_touched_or_is_in_use_ends_the_start(tmp_path, clock):
    with pytest.raises(Refused) as caught:
        State(tmp_path)
    assert caught.value.name == "witness_state_is_missing"
    found_state(tmp_path)
    state = State(tmp_path)
    with pytest.raises(Refused) as caught:
        State(tmp_path)
    assert caught.value.name == "witness_state_is_in_use"
    Witness(state, BANK, [LOG.verifier], clock).add_checkpoint(ONE.request(0, 10))
    [file] = (tmp_path / "witness" / "signed").iterdir()
    file.write_bytes(file.read_bytes().replace(b"\n10\n", b"\n11\n"))
    with pytest.raises(Refused) as caught:
        Witness(state, BANK, [LOG.verifier], clock)
    assert caught.value.name == "signature_does_not_verify"
    state.close()


def test_a_clock_that_went_back_signs_nothing_and_a_small_step_back_no_earlier_time(witness, clock):
    witness.add_checkpoint(ONE.request(0, 10))
    clock.now -= timedelta(seconds=30)
    answer = witness.add_checkpoint(ONE.request(10, 20))
    assert [time_of(line) for line in parse_signatures(answer.body.decode())] == [int(NOON.timestamp())] * 2
    clock.now -= timedelta(hours=1)
    answer = witness.add_checkpoint(ONE.request(20, 30))
    assert (answer.status, b"witness_clock_went_back" in answer.body) == (503, True)
    assert witness.last_signed(LOG.name)[0].size == 20


def test_many_at_once_sign_one_history(witness):
    """Sixteen ask with the same old size; the trees are of two histories. All that were signed are of one."""
    witness.add_checkpoint(ONE.request(0, 10))
    answers: list[tuple[History, int, Answer]] = []
    ready = threading.Barrier(16)

    def ask(history: History, size: int) -> None:
        ready.wait()
        answers.append((history, size, witness.add_checkpoint(history.request(10, size))))

    threads = [threading.Thread(target=ask, args=(history, size)) for size in range(20, 28) for history in (ONE, TWO)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [answer.status for _, _, answer in answers].count(200) == 1
    assert {answer.status for _, _, answer in answers} == {200, 409}


class Witnessing(RuleBasedStateMachine):
    """Whatever is asked, in whatever order: all that was ever signed is the beginning of the longest that was."""

    def __init__(self) -> None:
        super().__init__()
        self.signed: list[tuple[History, int]] = []
        self.files: dict[str, bytes] = {}
        self.witness = Witness(self, [BANK[0]], [LOG.verifier], lambda: NOON)  # type: ignore[arg-type]

    def last(self, origin: str) -> bytes | None:
        return self.files.get(origin)

    def keep(self, origin: str, note: bytes) -> None:
        self.files[origin] = note

    def keep_contradiction(self, note: bytes) -> None:
        pass

    keep_unproven = proven = keep_contradiction

    @rule(history=st.sampled_from([ONE, TWO]), old=st.integers(0, 40), size=st.integers(0, 40))
    def ask(self, history, old, size):
        if old <= size:
            self._note(history, size, self.witness.add_checkpoint(history.request(old, size)))

    @rule(history=st.sampled_from([ONE, TWO]), size=st.integers(0, 40))
    def ask_from_where_it_is(self, history, size):
        old = size_of(self.witness.add_checkpoint(history.request(0, size))) or 0
        if old <= size:
            self._note(history, size, self.witness.add_checkpoint(history.request(old, size)))

    def _note(self, history: History, size: int, answer: Answer) -> None:
        if answer.status == 200:
            self.signed.append((history, size))

    @invariant()
    def one_history(self):
        if self.signed:
            last, largest = self.signed[-1]
            for history, size in self.signed:
                assert size <= largest
                assert history.root(size) == last.root(size)


TestWitnessing = Witnessing.TestCase
TestWitnessing.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


# -- the published requests --------------------------------------------------------------------------------------------


@pytest.mark.real_files
def test_published_requests_are_answered_with_the_published_statuses(tmp_path, clock, real_files):
    """Ten requests of a Go witness. That of the checksum database has its own key, whose name is not the log's origin:
    this witness asks for a key of that name. The key of the others is not in the file, so their notes are signed anew
    by one of ours; the one whose signature was spoilt stays as it was. A log that nobody knows is 404 since version
    1.0.0 of the specification; it was 403.
    """
    from ringfence.evidence.note import parse_verifier, sign

    published = json.loads((real_files / "vectors" / "signed-note-vectors.json").read_text())
    sigsum = "sigsum.org/v1/tree/4d6d8825a6bb689d459628312889dfbb0bcd41b5211d9e1ce768b0ff0309e562"
    ours = Signer.from_seed(sigsum, b"s" * 32)
    [[_, go_key]] = published["witness_requests"][0]["keys"]
    go = parse_verifier(go_key)
    found_state(tmp_path)
    state = State(tmp_path)
    one = Witness(state, BANK, [type(go)("go.sum database tree", go.public), go, ours.verifier], clock)
    found = []
    for request in published["witness_requests"]:
        head, _, note = request["request"].partition("\n\n")
        if sigsum in note and not note.endswith("x6gx=\n"):
            note = sign(parse_note(note.encode()).text, [ours]).decode()
        found.append((one.add_checkpoint(f"{head}\n\n{note}".encode()).status, request["status"]))
    state.close()
    assert found[0] == (403, 200), "the key's name is not the log's origin, which this witness asks for"
    assert [(ours_, theirs) for ours_, theirs in found[1:] if ours_ != theirs] == [(404, 403)]


# -- by HTTP -----------------------------------------------------------------------------------------------------------


def test_the_server_speaks_the_protocol(witness):
    app = application(witness, [LOG.verifier, OTHER_LOG.verifier])
    with served(app) as address, httpx.Client(base_url=address) as client:
        answer = client.post("/add-checkpoint", content=ONE.request(0, 10))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
        assert answer.text.startswith("— bank.example/w1 ")
        answer = client.post("/add-checkpoint", content=ONE.request(5, 10))
        assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (409, "10\n", "text/x.tlog.size")
        assert client.post("/add-checkpoint", content=b"x" * 2_000_000).status_code == 400
        assert client.get("/add-checkpoint").status_code == 405
        seen = client.get("/logs").json()["logs"]
        assert [(each["origin"], each["size"]) for each in seen] == [("ringfence/demo", 10), ("ringfence/other", None)]


def test_who_goes_away_is_slow_or_silent_keeps_nobody_from_the_witness(witness, monkeypatch, capfd):
    """Connections that say nothing, or never end what they say, are closed; and nothing of it is a traceback."""
    monkeypatch.setattr(serving, "SILENCE_SECONDS_MAX", 0.3)
    monkeypatch.setattr(server, "BODY_SECONDS_MAX", 0.3)
    asked = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 1000\r\n\r\nold 0"
    app = application(witness, [LOG.verifier])
    with served(app, http=serving.Impatient, limit_concurrency=8) as address, ExitStack() as opened:
        place = ("127.0.0.1", int(address.rpartition(":")[2]))
        with socket.create_connection(place) as away:
            away.sendall(asked)
        held = []
        for said in [asked] * 3 + [asked[:20]] * 2 + [b""] * 3:
            held.append(opened.enter_context(socket.create_connection(place)))
            held[-1].sendall(said)
            time.sleep(0.01)  # it is heard before the next one comes
        assert httpx.get(f"{address}/logs").status_code == 503
        until = time.monotonic() + 20
        while httpx.get(f"{address}/logs").status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert httpx.post(f"{address}/add-checkpoint", content=ONE.request(0, 10)).status_code == 200
        held[0].settimeout(10)
        assert held[0].recv(100).startswith(b"HTTP/1.1 400")
    assert "Traceback" not in capfd.readouterr().err


# -- the notary asks ---------------------------------------------------------------------------------------------------


class Place:
    """A log's folder that grows, and witnesses that may be away or answer what they like."""

    def __init__(self, tmp_path, clock) -> None:
        self.log, self.clock = tmp_path / "log", clock
        self.log.mkdir()
        self.edge = EMPTY_EDGE
        self.witnesses, self.states, lines = {}, [], []
        for name in ("bank", "auditor"):
            found_state(tmp_path / name)
            state = State(tmp_path / name)
            key = Cosigner.from_seed(f"{name}.example/w1", ED25519, name.encode().ljust(32))
            self.witnesses[f"https://{name}.example/w"] = Witness(state, [key], [LOG.verifier], clock).add_checkpoint
            self.states.append(state)
            lines.append(f"witness {name} {key.key} https://{name}.example/w/")
        self.away: set[str] = set()
        self.quorum = parse_quorum("\n".join([*lines, "group both all bank auditor", "quorum both"]))
        self.asking = Asking(self.log, LOG.verifier, self.quorum, self.post, clock)

    def post(self, url: str, body: bytes) -> Answer:
        prefix = url.removesuffix("/add-checkpoint")
        if any(name in prefix for name in self.away):
            raise OSError("connection refused")
        return self.witnesses[prefix](body)

    def grow(self, records: list[bytes]) -> int:
        self.edge, files = grow(self.edge, records)
        write_files(self.log, files)
        note = sign_checkpoint(Checkpoint(LOG.name, self.edge.size, self.edge.root), [LOG])
        keep_checkpoint(self.log, self.edge.size, note)
        publish_checkpoint(self.log, note)
        return self.edge.size

    def witnessed(self) -> int:
        found = self.quorum.holds(read_file(self.log, "witnessed"))
        assert found is not None
        open_checkpoint(read_file(self.log, "witnessed"), LOG.name, [LOG.verifier])
        return found.size


@pytest.fixture
def place(tmp_path, clock):
    made = Place(tmp_path, clock)
    yield made
    for state in made.states:
        state.close()


def test_a_log_that_has_signed_nothing_asks_nobody(place):
    assert place.asking.round() == []


def test_every_new_checkpoint_is_witnessed_by_enough(place):
    lot = random.Random(5)
    for _ in range(6):
        size = place.grow([lot.randbytes(20) for _ in range(lot.randrange(1, 400))])
        assert place.asking.round() == []
        assert place.witnessed() == size
    assert place.asking.round() == []


def test_a_witness_that_is_away_delays_the_quorum_and_is_named_after_a_minute(place, clock):
    first = place.grow([b"one"])
    place.asking.round()
    place.away = {"auditor"}
    place.grow([b"two"])
    assert place.asking.round() == []
    assert place.witnessed() == first
    clock.now += timedelta(seconds=61)
    [lag] = place.asking.round()
    assert (lag.name, lag.facts["witness"]) == ("witness_lags", "auditor")
    assert place.asking.round() == [], "said once"
    place.away = set()
    third = place.grow([b"three"])
    assert place.asking.round() == []
    assert place.witnessed() == third


def test_a_notary_that_starts_anew_finds_where_its_witnesses_are(place):
    place.grow([b"%d" % number for number in range(300)])
    place.asking.round()
    size = place.grow([b"more"])
    again = Asking(place.log, LOG.verifier, place.quorum, place.post, place.clock)
    assert again.round() == []
    assert place.witnessed() == size


def test_a_log_that_was_restored_from_an_older_copy_is_told_by_its_witnesses(place):
    place.grow([b"%d" % number for number in range(5)])
    older = place.edge
    place.grow([b"lost"])
    place.asking.round()
    place.edge = older
    publish_checkpoint(place.log, sign_checkpoint(Checkpoint(LOG.name, older.size, older.root), [LOG]))
    again = Asking(place.log, LOG.verifier, place.quorum, place.post, place.clock)
    assert [each.name for each in again.round()] == ["witness_has_seen_another_tree"] * 2
    assert place.witnessed() == 6


def test_a_log_with_another_tail_is_refused_by_its_witnesses_and_not_witnessed(place, tmp_path):
    """The notary's folder is put back by an hour, and signs other rows in their place."""
    place.grow([b"%d" % number for number in range(5)])
    older = place.edge
    place.grow([b"a payment"])
    place.asking.round()
    other = tmp_path / "other"
    other.mkdir()
    place.log, place.edge = other, EMPTY_EDGE
    place.grow([b"%d" % number for number in range(5)])
    assert place.edge == older
    place.grow([b"another payment", b"and one more"])
    again = Asking(place.log, LOG.verifier, place.quorum, place.post, place.clock)
    found = again.round()
    assert [(each.name, each.facts["status"]) for each in found] == [("witness_refuses", 422)] * 2
    assert not (other / "witnessed").exists()


def test_a_witness_that_answers_nonsense_or_anothers_signature_is_named(place):
    place.grow([b"one"])
    for answer in (
        Answer(200, b"\xff"),
        Answer(200, b"nothing\n"),
        Answer(200, b""),
        Answer(200, str(BANK[0].cosign("ringfence/demo\n1\n" + "A" * 43 + "=\n", 5)).encode()),
    ):
        place.witnesses["https://bank.example/w"] = lambda _, answer=answer: answer
        place.asking = Asking(place.log, LOG.verifier, place.quorum, place.post, place.clock)
        assert [each.name for each in place.asking.round()] == ["witness_answers_nonsense"]
        assert not (place.log / "witnessed").exists()


def test_a_witness_that_is_slow_does_not_keep_the_others(place):
    slow = place.witnesses["https://bank.example/w"]

    def late(body: bytes) -> Answer:
        time.sleep(0.3)
        return slow(body)

    place.witnesses["https://bank.example/w"] = late
    place.witnesses["https://auditor.example/w"], quick = late, place.witnesses["https://auditor.example/w"]
    place.witnesses["https://auditor.example/w"] = quick
    place.grow([b"one"])
    assert place.asking.round() == []
    assert place.witnessed() == 1
