"""Ids that follow from ids, so that a retried operation writes the same rows and is answered as a replay."""

import hashlib
from uuid import UUID


def derived(origin: UUID, word: str) -> UUID:
    """The id of what `origin` calls `word`: SHA-256 of both, marked as a UUID of version 8 (RFC 9562). If the origin
    carries its time (version 7), what follows from it carries the same, so that the journal's indexes grow at one end;
    and it is odd, which no id of a program that posts may be (`ledger.posting`): nobody takes it before its time.

    >>> str(derived(UUID(int=1), "hold"))
    '988c191d-9f48-872a-9c4f-5bc92f2bd2b3'
    >>> str(derived(UUID("0195e9a0-0000-7000-8000-000000000001"), "hold"))[:15]
    '0195e9a0-0000-7'
    """
    digest = bytearray(hashlib.sha256(b"ringfence/derived/v1\0" + origin.bytes + word.encode()).digest()[:16])
    timed = origin.version == 7
    if timed:
        digest[:6] = origin.bytes[:6]
        digest[15] |= 1
    digest[6] = digest[6] & 0x0F | (0x70 if timed else 0x80)
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))
