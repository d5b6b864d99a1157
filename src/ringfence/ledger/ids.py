"""Ids that follow from ids, so that a retried operation writes the same rows and is answered as a replay."""

import hashlib
from uuid import UUID


def derived(origin: UUID, word: str) -> UUID:
    """The id of what `origin` calls `word`: SHA-256 of both, marked as a UUID of version 8 (RFC 9562).

    >>> str(derived(UUID(int=1), "hold"))
    '988c191d-9f48-872a-9c4f-5bc92f2bd2b3'
    """
    digest = bytearray(hashlib.sha256(b"ringfence/derived/v1\0" + origin.bytes + word.encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))
