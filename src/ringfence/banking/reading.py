"""The one way into a bank file: what it holds decides how it is read, whatever it is called.

A file is read whole or refused whole. `walk_statement_file` streams and is provisional until it ends; the functions
that return values have reached the end. A stream that is given has to be one that can be read again from its start.
"""

from collections.abc import Iterator
from datetime import UTC, tzinfo
from io import BytesIO
from typing import BinaryIO

from ringfence.banking.camt import NOTIFICATION, REPORT, STATEMENT, walk
from ringfence.banking.described_csv import Description, walk_csv
from ringfence.banking.message_stream import BANK_FILE_IS_EMPTY, opened
from ringfence.banking.statement import Close, Entry, Heading, Notification, Statement
from ringfence.refusal import Fault, refusal

BANK_FILE_FORMAT_IS_UNKNOWN = refusal(
    "bank_file_format_is_unknown",
    Fault.INPUT,
    en="{name} is neither XML nor covered by a description: it begins {beginning}.",
    zh="{name} 既不是 XML，也没有对应的格式描述：其开头为 {beginning}。",
)
MESSAGE_IS_NOT_A_STATEMENT = refusal(
    "message_is_not_a_statement",
    Fault.INPUT,
    en="{name} is a {message}, not a statement (camt.053): no closing balance proves it whole.",
    zh="{name} 是 {message}，不是对账单（camt.053）：没有期末余额可证明其完整。",
)
MESSAGE_IS_NOT_A_NOTIFICATION = refusal(
    "message_is_not_a_notification",
    Fault.INPUT,
    en="{name} is a {message}, not a notification (camt.054, camt.052).",
    zh="{name} 是 {message}，不是到账通知（camt.054、camt.052）。",
)

_XML_BEGINNINGS = tuple("<".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def read_statement_file(
    name: str, content: bytes | BinaryIO, *, description: Description | None = None, zone: tzinfo = UTC
) -> list[Statement]:
    """Every statement of a bank's file, each of which adds up. `name` only serves to speak of it."""
    statements: list[Statement] = []
    entries: list[Entry] = []
    for part in walk_statement_file(name, content, description=description, zone=zone):
        if isinstance(part, Entry):
            entries.append(part)
        elif isinstance(part, Close):
            statements.append(Statement.of_entries(part, entries))
            entries.clear()
    return statements


def read_notifications(name: str, content: bytes | BinaryIO, *, zone: tzinfo = UTC) -> list[Notification]:
    """What a camt.054 or camt.052 tells. Its entries may be pending or for information: look at `status`."""
    stream = _stream(content)
    _refuse_other_than_xml(name, stream)
    message = opened(stream)
    if message.kind not in (NOTIFICATION, REPORT):
        raise MESSAGE_IS_NOT_A_NOTIFICATION(name=name, message=message.name)
    notifications: list[Notification] = []
    entries: list[Entry] = []
    for part in walk(message, zone):
        if isinstance(part, Entry):
            entries.append(part)
        elif isinstance(part, Close):
            notifications.append(Notification.of_entries(part, entries))
            entries.clear()
    return notifications


def walk_statement_file(
    name: str, content: bytes | BinaryIO, *, description: Description | None = None, zone: tzinfo = UTC
) -> Iterator[Heading | Entry | Close]:
    """Heading, entries and close of each statement, without keeping them. Provisional until it has ended."""
    stream = _stream(content)
    if description is not None and not _looks_like_xml(stream):
        yield from walk_csv(name, stream, description)
        return
    _refuse_other_than_xml(name, stream)
    message = opened(stream)
    if message.kind != STATEMENT:
        raise MESSAGE_IS_NOT_A_STATEMENT(name=name, message=message.name)
    yield from walk(message, zone)


def _stream(content: bytes | BinaryIO) -> BinaryIO:
    return BytesIO(content) if isinstance(content, bytes) else content


def _beginning(stream: BinaryIO) -> bytes:
    beginning = b""
    while len(beginning) < 64 and (piece := stream.read(64 - len(beginning))):
        beginning += piece
    stream.seek(0)
    return beginning


def _looks_like_xml(stream: BinaryIO) -> bool:
    beginning = _beginning(stream)
    for mark in _MARKS:
        beginning = beginning.removeprefix(mark)
    return beginning.lstrip(b" \t\r\n").startswith(_XML_BEGINNINGS)


def _refuse_other_than_xml(name: str, stream: BinaryIO) -> None:
    if not _looks_like_xml(stream):
        beginning = _beginning(stream)
        if not beginning.strip():
            raise BANK_FILE_IS_EMPTY()
        raise BANK_FILE_FORMAT_IS_UNKNOWN(name=name, beginning=ascii(beginning[:16])[1:])
