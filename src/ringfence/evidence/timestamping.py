"""A timestamp a day (RFC 3161): somebody whose work is the time signs that a checkpoint was there by then.

    <log>/timestamps/<size>.tsr     the authority's answer about the checkpoint of that size, byte for byte

What is stamped is the SHA-256 of the checkpoint's text (origin, size, root), which is the same whoever signs below it.
Once in a day of UTC the latest checkpoint is stamped, if it is not that of the last stamp. The answer is verified
before it is kept: it is granted, for our request, about our checkpoint, about now, and signed under a certificate that
leads to the one in `witnesses.toml` and was good at that time.

Witnesses say that a history is one; a timestamp says when it was there, also to whoever trusts none of them. Without it
the notary goes on as before: nothing waits for a stamp, but a day without one is an alarm.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from ringfence.evidence.checkpoint import open_checkpoint
from ringfence.evidence.note import Verifier, parse_note
from ringfence.evidence.tiles import LOG_FILE_IS_MISSING, File, read_file, replace_file
from ringfence.evidence.witnessing import FILE, WITNESSES_FILE_IS_WRONG, read_file_of
from ringfence.refusal import Fault, Refused, refusal

FOLDER: Final = "timestamps"
SECONDS_MAX: Final = 15.0
ANSWER_BYTES_MAX: Final = 100_000
RETRY: Final = timedelta(minutes=1)
PATIENCE: Final = timedelta(hours=1)  # how long an authority may be silent before that is an alarm
SKEW: Final = timedelta(minutes=10)
_GRANTED: Final = (0, 1)
_CERTIFICATES: Final = 0xA0  # the tag of [0]
_TO_SIGNED_DATA: Final = (0, 1, 1, 0)  # the answer's second part is a ContentInfo, whose second part holds it
_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")

TIMESTAMP_AUTHORITY_IS_UNREACHABLE = refusal(
    "timestamp_authority_is_unreachable",
    Fault.MACHINE,
    en="The time-stamping authority does not answer at {url}: {cause}.",
    zh="时间戳机构在 {url} 无应答：{cause}。",
)
TIMESTAMP_IS_REFUSED = refusal(
    "timestamp_is_refused",
    Fault.STATE,
    en="The time-stamping authority would not stamp the checkpoint of {size} rows (status {status}): {said}",
    zh="时间戳机构拒绝为 {size} 行的检查点加盖时间戳（状态 {status}）：{said}",
)
TIMESTAMP_IS_MALFORMED = refusal(
    "timestamp_is_malformed",
    Fault.STATE,
    en="The answer about the checkpoint of {size} rows is no timestamp (RFC 3161).",
    zh="就 {size} 行检查点所得的应答不是时间戳（RFC 3161）。",
)
TIMESTAMP_IS_OF_ANOTHER_REQUEST = refusal(
    "timestamp_is_of_another_request",
    Fault.STATE,
    en="The timestamp of the checkpoint of {size} rows answers another request than ours: its nonce is another.",
    zh="{size} 行检查点的时间戳所应答的并非我方请求：随机数不同。",
)
TIMESTAMP_IS_OF_SOMETHING_ELSE = refusal(
    "timestamp_is_of_something_else",
    Fault.STATE,
    en="The timestamp is not about the checkpoint of {size} rows: its hash is another.",
    zh="该时间戳并非针对 {size} 行的检查点：其哈希不同。",
)
TIMESTAMP_IS_OF_ANOTHER_TIME = refusal(
    "timestamp_is_of_another_time",
    Fault.STATE,
    en="The timestamp of the checkpoint of {size} rows says {said}, and it is {now} here.",
    zh="{size} 行检查点的时间戳为 {said}，而本地时间为 {now}。",
)
TIMESTAMP_CERTIFICATE_WAS_NOT_VALID = refusal(
    "timestamp_certificate_was_not_valid",
    Fault.STATE,
    en="The certificate under the timestamp of the checkpoint of {size} rows was valid from {first} to {last}, and it"
    " says {said}.",
    zh="{size} 行检查点时间戳所用证书的有效期为 {first} 至 {last}，不含 {said}。",
)
TIMESTAMP_IS_NOT_THE_AUTHORITYS = refusal(
    "timestamp_is_not_the_authoritys",
    Fault.STATE,
    en="The timestamp of the checkpoint of {size} rows is not signed under the authority's certificate: {detail}.",
    zh="{size} 行检查点的时间戳并非由该机构证书所签：{detail}。",
)
TIMESTAMP_IS_MISSING = refusal(
    "timestamp_is_missing",
    Fault.MACHINE,
    en="There is no timestamp of {day}: {cause}",
    zh="{day} 尚无时间戳：{cause}",
)

Post = Callable[[str, bytes], bytes]
"""Sends a request to an address and gives the answer; raises OSError if there is none."""


@dataclass(frozen=True)
class Timestamping:
    """Whom to ask, and the certificates that an answer must lead to: the authority's root, and those on the way."""

    url: str
    certificates: tuple[x509.Certificate, ...]


def read_timestamping(home: Path) -> Timestamping | None:
    """What `witnesses.toml` says of timestamps; None if it says nothing."""
    said = (read_file_of(home) or {}).get("timestamps")
    if said is None:
        return None
    path = home / FILE
    if not isinstance(said, dict) or said.keys() != {"url", "certificate"} or not _texts(said):
        raise WITNESSES_FILE_IS_WRONG(path=path, detail="timestamps has a url and a certificate")
    try:
        found = x509.load_pem_x509_certificates((home / said["certificate"]).read_bytes())
    except (OSError, ValueError) as failed:
        raise WITNESSES_FILE_IS_WRONG(path=path, detail=f"{said['certificate']}: {failed}") from failed
    if not any(each.subject == each.issuer for each in found):
        raise WITNESSES_FILE_IS_WRONG(path=path, detail=f"{said['certificate']} holds no root of an authority")
    return Timestamping(said["url"], tuple(found))


def _texts(said: dict[str, Any]) -> bool:
    return all(isinstance(each, str) and each for each in said.values())


class Stamping:
    """Has one log's checkpoint stamped once a day. `findings` of a round are for people, once each until it is well."""

    def __init__(
        self, log: Path, key: Verifier, asked: Timestamping, post: Post, clock: Callable[[], datetime]
    ) -> None:
        self._log, self._key, self._asked, self._post, self._clock = log, key, asked, post, clock
        self._last: tuple[int, datetime] | None = None  # size and time of the newest stamp
        self._tried: datetime | None = None
        self._silent_since: datetime | None = None
        self._named = ""

    def round(self) -> list[Refused]:
        """Ask if a stamp is due; what is to be said of it."""
        try:
            note = read_file(self._log, "checkpoint")
        except Refused as refused:
            if refused.refusal is LOG_FILE_IS_MISSING:
                return []
            raise
        size = open_checkpoint(note, self._key.name, [self._key]).size
        now = self._clock()
        if not self._due(size, now):
            return []
        self._tried = now
        try:
            content, stamped_at = self._ask(parse_note(note).text.encode(), size, now)
        except Refused as refused:
            return self._say(refused, now)
        replace_file(self._log, File(f"{FOLDER}/{size}.tsr", content))
        self._last, self._silent_since, self._named = (size, stamped_at), None, ""
        return []

    def _due(self, size: int, now: datetime) -> bool:
        if self._last is None:
            self._last = self._newest()
        if self._last and (self._last[0] >= size or self._last[1].date() >= now.date()):
            return False
        return self._tried is None or now - self._tried >= RETRY or now < self._tried

    def _newest(self) -> tuple[int, datetime] | None:
        """The newest stamp that is kept. One that is no stamp any more does not count; another is asked for."""
        for size in reversed(kept_timestamps(self._log)):
            try:
                return size, decoded(read_file(self._log, f"{FOLDER}/{size}.tsr"), size).tst_info.gen_time
            except Refused:
                continue
        return None

    def _ask(self, text: bytes, size: int, now: datetime) -> tuple[bytes, datetime]:
        request = TimestampRequestBuilder().data(text).hash_algorithm(HashAlgorithm.SHA256)
        made = request.cert_request(cert_request=True).nonce(nonce=True).build()
        try:
            answer = self._post(self._asked.url, made.as_bytes())
        except OSError as failed:
            raise TIMESTAMP_AUTHORITY_IS_UNREACHABLE(url=self._asked.url, cause=failed) from failed
        stamped_at = check_timestamp(answer, text, size, self._asked.certificates, made.nonce)
        if abs(stamped_at - now) > SKEW:
            raise TIMESTAMP_IS_OF_ANOTHER_TIME(size=size, said=stamped_at.isoformat(), now=now.isoformat())
        return answer, stamped_at

    def _say(self, refused: Refused, now: datetime) -> list[Refused]:
        """A wrong answer at once; silence after a while; each once a day."""
        self._silent_since = self._silent_since or now
        if refused.refusal.fault is Fault.MACHINE:
            if now - self._silent_since < PATIENCE:
                return []
            refused = TIMESTAMP_IS_MISSING(day=now.date().isoformat(), cause=refused.sentence())
        named = f"{refused.name} {now.date()}"
        if self._named == named:
            return []
        self._named = named
        return [refused]


def check_timestamp(
    content: bytes, text: bytes, size: int, certificates: Sequence[x509.Certificate], nonce: int | None = None
) -> datetime:
    """When an authority had seen the text of the checkpoint of `size` rows; refused by name if it does not say so."""
    answer = decoded(content, size)
    if nonce is not None and answer.tst_info.nonce != nonce:
        raise TIMESTAMP_IS_OF_ANOTHER_REQUEST(size=size)
    imprint = answer.tst_info.message_imprint
    digest = hashlib.sha256(text).digest()
    if (imprint.hash_algorithm, imprint.message) != (_SHA256, digest):
        raise TIMESTAMP_IS_OF_SOMETHING_ELSE(size=size)
    said = answer.tst_info.gen_time
    try:
        signing = _signing(answer)
    except (ValueError, x509.InvalidVersion) as failed:
        raise TIMESTAMP_IS_MALFORMED(size=size) from failed
    for each in signing:
        if not each.not_valid_before_utc <= said <= each.not_valid_after_utc:
            raise TIMESTAMP_CERTIFICATE_WAS_NOT_VALID(
                size=size,
                first=each.not_valid_before_utc.date(),
                last=each.not_valid_after_utc.date(),
                said=said.date(),
            )
    builder = VerifierBuilder(
        roots=[each for each in certificates if each.subject == each.issuer],
        intermediates=[each for each in certificates if each.subject != each.issuer],
    )
    try:
        builder.build().verify(answer, digest)
    except (VerificationError, ValueError) as failed:
        raise TIMESTAMP_IS_NOT_THE_AUTHORITYS(size=size, detail=failed) from failed
    return said


def decoded(content: bytes, size: int) -> TimeStampResponse:
    """An answer that grants a timestamp, in its parts; what it says is not verified."""
    try:
        answer = decode_timestamp_response(_in_order(content))
        status = answer.status
        if status in _GRANTED and answer.tst_info.gen_time.tzinfo is not None:
            return answer
    except ValueError as failed:
        raise TIMESTAMP_IS_MALFORMED(size=size) from failed
    raise TIMESTAMP_IS_REFUSED(size=size, status=status, said="; ".join(answer.status_string)[:200])


def _in_order(content: bytes) -> bytes:
    """The answer with its certificates in the order that DER asks of a set, and the library insists on; OpenSSL does
    not sort them, and they are not signed. What is no such answer comes back as it is.
    """
    at = (0, len(content))
    try:
        for part in _TO_SIGNED_DATA:
            at = _values(content, *at)[part][1:]
        certificates = next(each for each in _values(content, *at) if content[each[0]] == _CERTIFICATES)
        parts = sorted(content[begin:end] for begin, _, end in _values(content, *certificates[1:]))
    except (IndexError, StopIteration):
        return content
    return content[: certificates[1]] + b"".join(parts) + content[certificates[2] :]


def _values(content: bytes, at: int, end: int) -> list[tuple[int, int, int]]:
    """Of each value of DER between two places: where it begins, where its content begins, and where it ends."""
    found = []
    while at < end:
        length, inside = content[at + 1], at + 2
        if length & 0x80:
            inside += length & 0x7F
            length = int.from_bytes(content[at + 2 : inside], "big")
        found.append((at, inside, min(inside + length, end)))
        at = inside + length
    return found


def kept_timestamps(log: Path) -> list[int]:
    """The sizes of the checkpoints that were stamped, smallest first."""
    folder = log / FOLDER
    names = [path.name.removesuffix(".tsr") for path in folder.glob("*.tsr")] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def _signing(answer: TimeStampResponse) -> list[x509.Certificate]:
    """The certificate that the signature says it is by."""
    signers = {(each.issuer, each.serial_number) for each in answer.signed_data.signer_infos}
    found = [x509.load_der_x509_certificate(each) for each in answer.signed_data.certificates]
    return [each for each in found if (each.issuer, each.serial_number) in signers]


def stamp_poster(client: httpx.Client) -> Post:
    """`Post` by HTTP: no redirects, no answer longer than an answer is."""

    def post(url: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query"}
        try:
            with client.stream("POST", url, content=body, headers=headers, timeout=SECONDS_MAX) as response:
                if response.status_code != httpx.codes.OK:
                    raise OSError(f"status {response.status_code}")
                found = bytearray()
                for piece in response.iter_bytes():
                    found += piece
                    if len(found) > ANSWER_BYTES_MAX:
                        raise OSError("its answer does not end")
                return bytes(found)
        except httpx.HTTPError as failed:
            raise OSError(str(failed) or type(failed).__name__) from failed

    return post
