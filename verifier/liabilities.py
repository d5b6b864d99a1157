"""Liabilities: what every customer is owed at the end of a day, the tree over it, and one customer's proof.

Written from docs/reference/liabilities-format.md. A row LIABILITIES_PROVEN says root, total and count. Here they are
had again from a replay of the journal and compared with the rows that it names: the closed day, the test of
safeguarding, the reconciliations with the bank's statements, an earlier checkpoint of the same log.

    leaf     SHA-256(0x00 || tag || id || amount || nonce)
    auditor  SHA-256(0x01 || left || right)
    sum      SHA-256(0x01 || left || sum of left || right || sum of right), both sums below 2^64
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import log
from accounts import Accounts
from book import EVENT, NO_ID, Row, decode
from escrow import derived
from folder import parse_json, parse_object
from words import Wrong

RECONCILED, TESTED, DAY_CLOSED, PROVEN, ATTESTED = 1060, 1070, 1101, 1180, 1181
NAMES: Final = {
    RECONCILED: "RECONCILIATION_CLOSED",
    TESTED: "SAFEGUARDING_TESTED",
    DAY_CLOSED: "DAY_CLOSED",
    PROVEN: "LIABILITIES_PROVEN",
}
FORMAT: Final = "ringfence-liabilities-1"
PROOF_FORMAT: Final = "ringfence-liability-proof-1"
PROOF_FIELDS: Final[dict[str, type]] = {
    "amount": str, "attestations": list, "balance": str, "book": str, "currency": str, "day": str, "event": dict,
    "format": str, "holder": str, "id": str, "index": int, "nonce": str, "path": list, "reveals": list,
}  # fmt: skip
LINE_BYTES_MAX: Final = 3 * 64 + 20 + 5  # of a file of leaves, without the holder
TAG: Final = b"ringfence/liability/v1"
U64_MAX: Final = 2**64 - 1
_FIELDS: Final = {
    "book", "checkpoint", "closed", "count", "currency", "cut_off", "day", "decimals", "format", "mode",
    "negative_count", "negative_total", "root", "safeguarding", "statements", "total", "unallocated",
}  # fmt: skip
_STATEMENT: Final = {"account", "closing", "fingerprint", "reconciliation", "statement"}
_MINOR: Final = re.compile(r"0|-?[1-9][0-9]{0,19}", re.ASCII)
_LINE: Final = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,19}) (-|[0-9a-f]{64}) ([0-9a-f]{64}) (\S(?:.*\S)?)")

Node = tuple[bytes, int]
"""A hash, and the sum of the amounts below it."""


# The tree


def text(content: str) -> bytes:
    return len(content.encode()).to_bytes(4, "big") + content.encode()


def identity(book: str, holder: str) -> bytes:
    return sha256(text("ringfence/customer/v1") + text(book) + text(holder)).digest()


def leaf(whose: bytes, amount: int, nonce: bytes) -> Node:
    return log.record_hash(TAG + whose + u64(amount) + nonce), amount


def u64(amount: int) -> bytes:
    if not 0 <= amount <= U64_MAX:
        raise Wrong("liability_is_not_unsigned", amount=amount)
    return amount.to_bytes(8, "big")


def join(mode: str, left: Node, right: Node) -> Node:
    """The node over two; in mode sum both sums are part of the hash, so that neither has another reading."""
    total = left[1] + right[1]
    if total > U64_MAX:
        raise Wrong("liability_sum_overflows", left=left[1], right=right[1])
    if mode == "sum":
        return sha256(b"\x01" + left[0] + u64(left[1]) + right[0] + u64(right[1])).digest(), total
    return log.node_hash(left[0], right[0]), total


def top(mode: str, row: list[Node]) -> Node:
    """The root over leaves: joined in pairs, a node without a neighbour goes up as it is."""
    while len(row) > 1:
        paired = [join(mode, left, right) for left, right in zip(row[::2], row[1::2], strict=False)]
        row = [*paired, row[-1]] if len(row) & 1 else paired
    return row[0] if row else (sha256().digest(), 0)


def climb(mode: str, node: Node, index: int, count: int, path: Iterable[Node]) -> Node:
    """From a leaf up to the root; `Wrong` if the path is longer or shorter than its place asks for."""
    siblings = iter(path)
    while count > 1:
        if index ^ 1 < count:
            sibling = next(siblings, None)
            if sibling is None:
                raise Wrong("liability_path_has_wrong_length")
            node = join(mode, sibling, node) if index & 1 else join(mode, node, sibling)
        index, count = index >> 1, (count + 1) >> 1
    if next(siblings, None) is not None:
        raise Wrong("liability_path_has_wrong_length")
    return node


# What the event says


@dataclass(frozen=True)
class Said:
    """LIABILITIES_PROVEN, in order in itself: amounts in minor units."""

    sequence: int
    says: dict[str, Any]
    day: str
    currency: str
    mode: str
    root: bytes
    count: int
    total: int
    negative_count: int
    negative_total: int
    unallocated: int
    cut_off: int
    closed: int
    tested: int
    checkpoint: tuple[int, bytes]

    @property
    def place(self) -> str:
        return f"{self.day}-{self.currency}"

    def note_text(self, origin: str) -> str:
        """What an auditor signs."""
        about = f"{origin}/liabilities/{self.day}/{self.currency}/{self.mode}"
        figures = f"{self.total}/{self.negative_count}/{self.negative_total}"
        return f"{about}/{figures}\n{self.count}\n{log.spell(self.root)}\n"

    def major(self, minor_: str | int) -> str:
        """Minor units as other events spell them, with a point."""
        amount, decimals = int(minor_), self.says["decimals"]
        digits = str(abs(amount)).rjust(decimals + 1, "0")
        whole = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
        return f"-{whole}" if amount < 0 else whole


def read(says: dict[str, Any], sequence: int) -> Said:
    """The event of a row; `Wrong` with the part that does not hold."""

    def hold(true: object, part: str) -> None:
        if not true:
            raise Wrong("liabilities_row_is_wrong", sequence=sequence, part=part)

    try:
        tested, checkpoint, statements = says["safeguarding"], says["checkpoint"], says["statements"]
        hold(says.keys() == _FIELDS and says["format"] == FORMAT, "fields")
        hold(tested.keys() == {"difference", "requirement", "resource", "sequence"}, "safeguarding")
        hold(checkpoint.keys() == {"root", "size"}, "checkpoint")
        hold(date.fromisoformat(says["day"]).isoformat() == says["day"], "day")
        hold(says["mode"] in ("auditor", "sum"), "mode")
        found = Said(
            sequence=sequence,
            says=says,
            day=says["day"],
            currency=_word(says["currency"]),
            mode=says["mode"],
            root=_hash(says["root"]),
            count=_whole(says["count"]),
            total=_minor(says["total"]),
            negative_count=_whole(says["negative_count"]),
            negative_total=_minor(says["negative_total"]),
            unallocated=_minor(says["unallocated"]),
            cut_off=_whole(says["cut_off"]),
            closed=_whole(says["closed"]),
            tested=_whole(tested["sequence"]),
            checkpoint=(_whole(checkpoint["size"]), _hash(checkpoint["root"])),
        )
        requirement, resource = _minor(tested["requirement"]), _minor(tested["resource"])
        hold(_whole(says["decimals"]) < 20 and _word(says["book"]), "book")
        hold(0 <= found.total <= U64_MAX and found.unallocated >= 0 >= found.negative_total, "total")
        hold((found.negative_count == 0) == (found.negative_total == 0), "negative_count")
        hold(found.negative_count <= found.count, "negative_count")
        hold(found.total + found.unallocated == requirement, "requirement")
        hold(resource - requirement == _minor(tested["difference"]), "difference")
        hold(found.tested < found.closed and found.cut_off <= found.closed, "cut_off")
        hold(found.closed < found.checkpoint[0] <= sequence, "checkpoint")
        for each in statements:
            hold(each.keys() == _STATEMENT, "statements")
            _minor(each["closing"])
            hold(_whole(each["reconciliation"]) < found.closed, "statements")
        names = [_word(each["account"]) for each in statements]
        hold(names == sorted(set(names)), "statements")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Wrong("liabilities_row_is_wrong", sequence=sequence, part="fields") from None
    return found


def _word(said: Any) -> str:
    if not isinstance(said, str) or not said:
        raise ValueError
    return said


def _whole(said: Any) -> int:
    if type(said) is not int or said < 0:
        raise ValueError
    return said


def _minor(said: Any) -> int:
    if not isinstance(said, str) or not _MINOR.fullmatch(said):
        raise ValueError
    return int(said)


def _hash(said: Any) -> bytes:
    content = log.unspell(said) if isinstance(said, str) else None
    if content is None or len(content) != 32:
        raise ValueError
    return content


# The whole book

Stands = dict[int, dict[tuple[str, str], int]]
"""By cut-off, then by holder and currency: what the holder has by the rows before."""


def cut_off_of(row: Row, payload: bytes) -> int | None:
    """Where the replay has to look, for a row that proves liabilities."""
    if row.kind != EVENT or row.code != PROVEN:
        return None
    try:
        cut_off = parse_json(payload)["cut_off"]
    except (ValueError, KeyError, TypeError):
        return None
    return cut_off if type(cut_off) is int else None


def stand(accounts: Accounts) -> dict[tuple[str, str], int]:
    """What every holder has now, and what is unallocated. Closed accounts count: their holder was a customer."""
    found: dict[tuple[str, str], int] = {}
    for account in accounts:
        if account.credit_side and account.pool == "client" and account.owner != "platform":
            key = account.owner, account.currency
            found[key] = found.get(key, 0) + account.balance
    return found


@dataclass
class Liabilities:
    """The rows so far; `add` raises `Wrong` at a row that does not agree with the journal before it."""

    origin: str
    stands: Stands
    root_of: Callable[[int], bytes]
    auditors: tuple[log.Key, ...] = ()
    book: int = 0
    rows: dict[int, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    proven: dict[str, Said] = field(default_factory=dict)
    days: set[str] = field(default_factory=set)  # that were closed
    attested: int = 0
    known: int = 0  # attestations that a given key made

    def add(self, row: Row, payload: bytes) -> None:
        if row.kind != EVENT or row.code not in (*NAMES, ATTESTED):
            return
        try:
            says = parse_json(payload)
            if row.code == PROVEN:
                self._prove(row, says)
            elif row.code == ATTESTED:
                self._attest(row, says)
            else:
                self.rows[row.sequence] = row.code, says
                if row.code == DAY_CLOSED and "currencies" in says:
                    self.days |= {f"{says['day']}-{each['currency']}" for each in says["currencies"]}
        except (ValueError, KeyError, TypeError, AttributeError):
            if row.code in (PROVEN, ATTESTED):
                raise Wrong("liabilities_row_is_wrong", sequence=row.sequence, part="fields") from None

    @property
    def open_days(self) -> int:
        """Closed days and currencies that nothing proves yet."""
        return len(self.days - self.proven.keys())

    def _prove(self, row: Row, says: dict[str, Any]) -> None:
        said = read(says, row.sequence)
        wanted = derived(UUID(int=row.book), f"{NAMES[PROVEN]} {said.day} {said.currency}")
        self._hold(said, row.id == wanted.bytes and said.place not in self.proven, "id")
        self._hold(said, fits_day(row, said), "columns")
        self._hold(said, says["book"] == self.origin.rpartition("/")[2], "book")
        self._hold(said, self.root_of(said.checkpoint[0]) == said.checkpoint[1], "checkpoint")
        self._agree(said)
        self._count(said)
        self.proven[said.place] = said

    def _agree(self, said: Said) -> None:
        """With the closed day, the test and the reconciliations that it names."""
        says, tested = said.says, self._row(said, said.tested, TESTED)
        closed = self._row(said, said.closed, DAY_CLOSED)
        figures = {name: said.major(says["safeguarding"][name]) for name in ("requirement", "resource")}
        of_day = [each for each in closed["currencies"] if each["currency"] == said.currency]
        self._hold(said, closed["day"] == said.day and closed["sequence"] >= said.cut_off and len(of_day) == 1, "day")
        self._hold(said, figures.items() <= of_day[0].items(), "requirement")
        figures["difference"] = said.major(says["safeguarding"]["difference"])
        self._hold(said, figures.items() <= tested["total"].items(), "requirement")
        for name, figure in (
            ("day", said.day),
            ("currency", said.currency),
            ("sequence", said.cut_off),
            ("customers", said.count),
            ("owed", said.major(said.total)),
            ("unallocated", said.major(said.unallocated)),
            ("negative", said.major(said.negative_total)),
            ("negative_customers", said.negative_count),
        ):
            self._hold(said, tested[name] == figure, f"SAFEGUARDING_TESTED.{name}")
        accounts = {each["account"]: each for each in tested["accounts"]}
        self._hold(said, sorted(accounts) == [each["account"] for each in says["statements"]], "statements")
        for each in says["statements"]:
            wanted = {"account": each["account"], "bank": said.major(each["closing"])}
            wanted |= {"fingerprint": each["fingerprint"], "statement": each["statement"]}
            run = self._row(said, each["reconciliation"], RECONCILED)
            self._hold(said, wanted.items() <= accounts[each["account"]].items(), "statements")
            self._hold(said, (wanted | {"day": said.day}).items() <= run.items(), "statements")

    def _count(self, said: Said) -> None:
        """Every holder of the journal, by the replay."""
        balances = self.balances(said)
        below = [balance for balance in balances.values() if balance < 0]
        unclaimed = self.stands.get(said.cut_off, {}).get(("unallocated", said.currency), 0)
        self._hold(said, said.unallocated >= unclaimed, "unallocated")
        for part, found, told in (
            ("count", len(balances), said.count),
            ("total", sum(balance for balance in balances.values() if balance > 0), said.total),
            ("negative_count", len(below), said.negative_count),
            ("negative_total", sum(below), said.negative_total),
        ):
            if found != told:
                raise Wrong("liabilities_are_others", sequence=said.sequence, part=part, found=found, said=told)

    def balances(self, said: Said) -> dict[str, int]:
        of_all = self.stands.get(said.cut_off, {})
        return {
            holder: balance
            for (holder, unit), balance in of_all.items()
            if unit == said.currency and holder != "unallocated"
        }

    def _attest(self, row: Row, says: dict[str, Any]) -> None:
        said = self.proven.get(f"{says['day']}-{says['currency']}")
        right = says.keys() == {"auditor", "currency", "day", "note", "proven"}
        if not right or said is None or says["proven"] != said.sequence:
            raise Wrong("liabilities_row_is_wrong", sequence=row.sequence, part="proven")
        wanted = derived(UUID(int=row.book), f"LIABILITIES_ATTESTED {said.day} {said.currency} {says['auditor']}")
        if row.id != wanted.bytes or not fits_day(row, said):
            raise Wrong("liabilities_row_is_wrong", sequence=row.sequence, part="id")
        names = signers(says["note"], said.note_text(self.origin), self.auditors, f"row {row.sequence}")
        self.attested += 1
        self.known += says["auditor"] in names

    def _row(self, said: Said, sequence: Any, code: int) -> dict[str, Any]:
        found = self.rows.get(sequence)
        if found is None or found[0] != code:
            raise Wrong("liabilities_row_is_wrong", sequence=said.sequence, part=NAMES[code])
        return found[1]

    def _hold(self, said: Said, true: object, part: str) -> None:
        if not true:
            raise Wrong("liabilities_row_is_wrong", sequence=said.sequence, part=part)

    # Leaves, if the folder has some

    def leaves_bytes_max(self, path: str) -> int:
        """How long the file of leaves can be."""
        return sum(LINE_BYTES_MAX + len(holder.encode()) for holder in self.balances(self._proven_by(path)))

    def _proven_by(self, path: str) -> Said:
        name = path.removeprefix("liabilities/").removesuffix(".leaves")
        said = self.proven.get(name)
        if said is None or path != f"liabilities/{name}.leaves":
            raise Wrong("file_has_no_place", path=path)
        return said

    def check_leaves(self, path: str, content: bytes) -> None:
        """Are these all leaves of a tree that a row proves, and do they make its root?"""
        said = self._proven_by(path)
        balances, book = self.balances(said), said.says["book"]
        nodes: list[Node] = []
        last, nonces = b"", set()
        for number, (whose, amount, nonce, hash_, holder) in enumerate(_lines(path, content), 1):
            if whose <= last:
                raise Wrong("leaf_is_out_of_order", path=path, line=number)
            if whose != identity(book, holder):
                raise Wrong("leaf_is_wrong", path=path, line=number, part="id")
            if holder not in balances:
                raise Wrong("leaf_is_of_nobody", path=path, line=number, holder=holder)
            if amount != max(balances[holder], 0):
                raise Wrong("leaf_is_wrong", path=path, line=number, part="amount")
            if nonce is not None and (nonce in nonces or leaf(whose, amount, nonce)[0] != hash_):
                raise Wrong("leaf_is_wrong", path=path, line=number, part="nonce")
            nonces |= {nonce} - {None}
            nodes.append((hash_, amount))
            last = whose
            balances.pop(holder)
        for holder in sorted(balances):
            raise Wrong("holder_is_left_out", path=path, holder=holder)
        root, total = top(said.mode, nodes)
        if (root, total) != (said.root, said.total):
            raise Wrong("leaves_make_another_root", path=path, sequence=said.sequence)


def fits_day(row: Row, said: Said) -> bool:
    """Is the row of the day's value date, and does it fill no column that moves or names anything?"""
    moved = row.debit_account, row.credit_account, row.amount, row.expires_at
    day = (date.fromisoformat(said.day) - date(1970, 1, 1)).days
    return not any(moved) and {row.refers_to, row.order_id} == {NO_ID} and row.value_date == day


def _lines(path: str, content: bytes) -> Iterator[tuple[bytes, int, bytes | None, bytes, str]]:
    lines = content.decode("utf-8", "replace").split("\n")
    if lines.pop():
        raise Wrong("leaf_is_wrong", path=path, line=len(lines) + 1, part="line")
    for number, line in enumerate(lines, 1):
        fields = _LINE.fullmatch(line)
        if fields is None:
            raise Wrong("leaf_is_wrong", path=path, line=number, part="line")
        nonce = None if fields[3] == "-" else bytes.fromhex(fields[3])
        yield bytes.fromhex(fields[1]), int(fields[2]), nonce, bytes.fromhex(fields[4]), fields[5]


def signers(note: Any, text_: str, auditors: tuple[log.Key, ...], place: str) -> list[str]:
    """Whose given keys signed an auditor's note, each name with all of its keys; the note must say this text."""
    if not isinstance(note, str):
        raise Wrong("json_has_other_fields", path=place, field="note")
    found, signatures = log.parse_note(note.encode(), place)
    if found != text_:
        raise Wrong("attestation_is_of_another_tree", path=place)
    signed = set()
    for name, key_id, signature in signatures:
        for key in auditors:
            if (key.name, key.key_id) == (name, key_id):
                if not key.verifies(found, signature):
                    raise Wrong("note_is_forged", path=place, key=name)
                signed.add(key)
    return sorted({key.name for key in auditors if all(each in signed for each in auditors if each.name == key.name)})


# One customer's proof


@dataclass(frozen=True)
class Proof:
    said: Said
    holder: str
    amount: int
    balance: int
    signed: log.Checkpoint
    auditors: list[str]


def prove(
    content: bytes,
    path: str,
    receipt: Callable[[bytes, str], tuple[int, bytes, log.Checkpoint]],
    canonical: Callable[[Any], bytes],
    auditors: tuple[log.Key, ...],
) -> Proof:
    """One customer's proof, standing alone. `receipt` proves the event up to a checkpoint that the notary signed."""
    found = parse_object(content, path, PROOF_FIELDS)
    if found["format"] != PROOF_FORMAT:
        raise Wrong("json_has_other_fields", path=path, field="format")
    sequence, entry, signed = receipt(canonical(found["event"]), path)
    row, payload = decode(entry, sequence)
    if (row.kind, row.code) != (EVENT, PROVEN):
        raise Wrong("proof_is_of_another_row", path=path, sequence=sequence)
    said = read(parse_json(payload), sequence)
    wanted = {"book": signed.origin.rpartition("/")[2], "currency": said.currency, "day": said.day}
    for name, value in wanted.items():
        if found[name] != value or (name == "book" and said.says["book"] != value):
            raise Wrong("proof_is_of_another_day", path=path, field=name, found=found[name], wanted=value)
    try:
        amount, balance = _minor(found["amount"]), _minor(found["balance"])
        whose, nonce = _hash(found["id"]), _hash(found["nonce"])
        siblings = [_sibling(said.mode, each) for each in found["path"]]
    except (ValueError, KeyError, TypeError):
        raise Wrong("json_has_other_fields", path=path, field="path") from None
    if whose != identity(found["book"], found["holder"]):
        raise Wrong("proof_has_another_id", path=path, holder=found["holder"])
    if amount != max(balance, 0):
        raise Wrong("proof_has_another_amount", path=path, amount=amount, balance=balance)
    if found["reveals"] != (["count"] if said.mode == "auditor" else ["count", "sums"]):
        raise Wrong("json_has_other_fields", path=path, field="reveals")
    if not 0 <= found["index"] < said.count:
        raise Wrong("liability_path_has_wrong_length")
    for _, sum_ in siblings:
        u64(sum_)
    root, total = climb(said.mode, leaf(whose, amount, nonce), found["index"], said.count, siblings)
    if root != said.root:
        raise Wrong("proof_leads_to_another_root", path=path)
    if said.mode == "sum" and total != said.total:
        raise Wrong("liabilities_are_others", sequence=sequence, part="total", found=total, said=said.total)
    names: set[str] = set()
    for note in found["attestations"]:
        names |= set(signers(note, said.note_text(signed.origin), auditors, path))
    return Proof(said, found["holder"], amount, balance, signed, sorted(names))


def _sibling(mode: str, said: Any) -> Node:
    if mode == "auditor":
        return _hash(said), 0
    if said.keys() != {"hash", "sum"}:
        raise ValueError
    return _hash(said["hash"]), _minor(said["sum"])
