"""When was a checkpoint there? Timestamps of an authority (RFC 3161), read by hand as DER.

A timestamp is a signed statement: "I had this hash at this time". It holds if

    imprint      its hash is the SHA-256 of the checkpoint's text
    attributes   what was signed names the statement's own hash, its type, and the certificate that signs
    signature    verifies under that certificate's key
    certificate  is for time-stamping alone, was good at the time that is said, and leads to the root that was given

Revocation is not looked up: that needs a network, and the authority's own word.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from words import Unreadable, Wrong

BYTES_MAX: Final = 100_000
CHAIN_MAX: Final = 8
_SEQUENCE, _SET, _INTEGER, _OCTETS, _OID, _TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x18
_FIRST, _SECOND = 0xA0, 0xA1  # [0] and [1], constructed
_SIGNED_DATA: Final = bytes.fromhex("2a864886f70d010702")
_TIME_STATEMENT: Final = bytes.fromhex("2a864886f70d0109100104")
_CONTENT_TYPE: Final = bytes.fromhex("2a864886f70d010903")
_MESSAGE_DIGEST: Final = bytes.fromhex("2a864886f70d010904")
_SIGNING_CERTIFICATE_V2: Final = bytes.fromhex("2a864886f70d010910022f")
_DIGESTS: Final[dict[bytes, hashes.HashAlgorithm]] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}
_SHA256: Final = bytes.fromhex("608648016503040201")

# What the library says of a certificate that it cannot read, some of it late.
_NOT_READ: Final = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)

Certificates = tuple[x509.Certificate, ...]


class _BrokenError(Exception):
    """Why it is no timestamp."""


@dataclass(frozen=True)
class Element:
    """One value of DER: its tag, its content, and all of its bytes."""

    tag: int
    content: bytes
    whole: bytes

    def parts(self) -> list["Element"]:
        return list(_elements(self.content))


def _elements(content: bytes) -> Iterator[Element]:
    at = 0
    while at < len(content):
        head = content[at : at + 2]
        if len(head) < 2 or head[0] & 0x1F == 0x1F:
            raise _BrokenError("a value has no tag")
        length, begin = head[1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, begin = int.from_bytes(content[begin : begin + count], "big"), begin + count
            if not 0 < count <= 4 or length < 0x80 or length >> 8 * (count - 1) == 0:
                raise _BrokenError("a length is not spelled as DER spells it")
        if begin + length > len(content):
            raise _BrokenError("a value is cut off")
        yield Element(head[0], content[begin : begin + length], content[at : begin + length])
        at = begin + length


def _one(content: bytes, tag: int) -> Element:
    found = list(_elements(content))
    if len(found) != 1 or found[0].tag != tag:
        raise _BrokenError(f"one value of type {tag:#x} was expected")
    return found[0]


def _parts(element: Element, *tags: int) -> list[Element]:
    """The parts of a sequence, of which the first have these tags."""
    found = element.parts()
    if [each.tag for each in found[: len(tags)]] != list(tags):
        raise _BrokenError("a sequence has other parts")
    return found


@dataclass(frozen=True)
class _Statement:
    """What was signed, and by whom."""

    stated: bytes
    signed: bytes  # the attributes as a SET, which the signature is over
    attributes: dict[bytes, Element]
    digest: hashes.HashAlgorithm
    algorithm: bytes
    signature: bytes
    issuer: bytes
    serial: int
    certificates: Certificates


def read_certificates(path: Path) -> Certificates:
    """The authority's root, and what else stands in the reader's file; `Unreadable`, `Wrong`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable("file_cannot_be_read", path=path, cause=error.strerror) from None
    try:
        found = tuple(x509.load_pem_x509_certificates(content))
    except ValueError:
        found = ()
    if not any(each.issuer == each.subject for each in found):
        raise Wrong("certificate_is_malformed", path=path)
    return found


def check_timestamp(content: bytes, text: bytes, given: Certificates, path: str) -> str:
    """The time, as the authority spells it in UTC; `Wrong` names what does not hold."""
    try:
        statement = _read(content)
        imprint, said = _read_statement(statement.stated)
    except _BrokenError as broken:
        raise Wrong("timestamp_is_malformed", path=path, detail=broken) from None
    except _NOT_READ:
        raise Wrong("timestamp_is_malformed", path=path, detail="it is not DER") from None
    if imprint != hashlib.sha256(text).digest():
        raise Wrong("timestamp_is_of_something_else", path=path)
    try:
        signer = _signer(statement, given)
        _check_signature(statement, signer)
    except (_BrokenError, *_NOT_READ) as broken:
        raise Wrong("timestamp_is_forged", path=path, detail=broken) from None
    try:
        _check_chain(signer, (*given, *statement.certificates), given, said)
    except (_BrokenError, *_NOT_READ) as broken:
        raise Wrong("timestamp_is_of_another_authority", path=path, detail=broken) from None
    return said.strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(content: bytes) -> _Statement:
    """TimeStampResp, ContentInfo and SignedData, down to the one signer."""
    status, token = _parts(_one(content[:BYTES_MAX], _SEQUENCE), _SEQUENCE, _SEQUENCE)[:2]
    if _parts(status, _INTEGER)[0].content not in (b"\0", b"\1"):
        raise _BrokenError("it was not granted")
    kind, wrapped = _parts(token, _OID, _FIRST)[:2]
    if kind.content != _SIGNED_DATA:
        raise _BrokenError("it is not signed data")
    _, _, encapsulated, *rest = _parts(_one(wrapped.content, _SEQUENCE), _INTEGER, _SET, _SEQUENCE)
    inner, octets = _parts(encapsulated, _OID, _FIRST)[:2]
    if inner.content != _TIME_STATEMENT:
        raise _BrokenError("it is signed data about something else than time")
    stated = _one(octets.content, _OCTETS).content
    certificates = [each for part in rest if part.tag == _FIRST for each in part.parts()]
    signers = [each for part in rest if part.tag == _SET for each in part.parts()]
    if len(signers) != 1:
        raise _BrokenError("it has not one signer")
    found = tuple(x509.load_der_x509_certificate(each.whole) for each in certificates if each.tag == _SEQUENCE)
    return _read_signer(signers[0], stated, found)


def _read_signer(signer: Element, stated: bytes, certificates: Certificates) -> _Statement:
    _, named, digest, attributes, algorithm, signature = _parts(
        signer, _INTEGER, _SEQUENCE, _SEQUENCE, _FIRST, _SEQUENCE, _OCTETS
    )[:6]
    issuer, serial = _parts(named, _SEQUENCE, _INTEGER)[:2]
    known = _DIGESTS.get(_parts(digest, _OID)[0].content)
    if known is None:
        raise _BrokenError("its hash is none of SHA-256, SHA-384 and SHA-512")
    found: dict[bytes, Element] = {}
    for each in attributes.parts():
        name, values = _parts(each, _OID, _SET)[:2]
        if name.content in found:
            raise _BrokenError("an attribute stands twice")
        found[name.content] = values
    signed = bytes([_SET]) + attributes.whole[1:]
    number = int.from_bytes(serial.content, "big", signed=True)
    kind = _parts(algorithm, _OID)[0].content
    return _Statement(
        stated, signed, found, known, kind, signature.content, issuer.whole, number, certificates
    )  # fmt: skip


def _read_statement(content: bytes) -> tuple[bytes, datetime]:
    """The hash that was stamped, and when."""
    _, _, imprint, _, time = _parts(_one(content, _SEQUENCE), _INTEGER, _OID, _SEQUENCE, _INTEGER, _TIME)[:5]
    algorithm, digest = _parts(imprint, _SEQUENCE, _OCTETS)[:2]
    if _parts(algorithm, _OID)[0].content != _SHA256:
        raise _BrokenError("the hash that was stamped is not SHA-256")
    spelled = time.content.decode("ascii")
    form = "%Y%m%d%H%M%S.%fZ" if "." in spelled else "%Y%m%d%H%M%SZ"
    return digest.content, datetime.strptime(spelled, form).replace(tzinfo=UTC)


def _signer(statement: _Statement, given: Certificates) -> x509.Certificate:
    """The certificate that the signature names, which must also be the one that was signed for (RFC 5035)."""
    for each in (*statement.certificates, *given):
        if each.issuer.public_bytes() == statement.issuer and each.serial_number == statement.serial:
            if not _is_named(each, statement):
                raise _BrokenError("another certificate was signed for")
            return each
    raise _BrokenError("the certificate that it names is not there")


def _is_named(certificate: x509.Certificate, statement: _Statement) -> bool:
    whole = certificate.public_bytes(Encoding.DER)
    values = statement.attributes.get(_SIGNING_CERTIFICATE_V2)
    if values is None:
        return False  # the older form names it by SHA-1
    first = _parts(_parts(_one(values.content, _SEQUENCE), _SEQUENCE)[0], _SEQUENCE)[0].parts()
    digest = _DIGESTS.get(_parts(first[0], _OID)[0].content) if first[0].tag == _SEQUENCE else hashes.SHA256()
    named = first[1] if first[0].tag == _SEQUENCE else first[0]
    return digest is not None and named.content == hashlib.new(digest.name, whole).digest()


def _check_signature(statement: _Statement, signer: x509.Certificate) -> None:
    kind, digest = statement.attributes.get(_CONTENT_TYPE), statement.attributes.get(_MESSAGE_DIGEST)
    if kind is None or _one(kind.content, _OID).content != _TIME_STATEMENT:
        raise _BrokenError("what was signed is not about time")
    hashed = hashlib.new(statement.digest.name, statement.stated).digest()
    if digest is None or _one(digest.content, _OCTETS).content != hashed:
        raise _BrokenError("what was signed is another statement")
    key = signer.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(statement.signature, statement.signed, padding.PKCS1v15(), statement.digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(statement.signature, statement.signed, ec.ECDSA(statement.digest))
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(statement.signature, statement.signed)
        else:
            raise _BrokenError("its key is of a kind that is not known here")
    except InvalidSignature:
        raise _BrokenError("the signature does not verify") from None


def _check_chain(signer: x509.Certificate, known: Certificates, given: Certificates, at: datetime) -> None:
    """From the signer up to a root that was given; each good at the time, each an authority but the first."""
    try:
        purposes = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise _BrokenError("the certificate is not for time-stamping") from None
    if not purposes.critical or list(purposes.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise _BrokenError("the certificate is not for time-stamping alone")
    each = signer
    for _ in range(CHAIN_MAX):
        if not each.not_valid_before_utc <= at <= each.not_valid_after_utc:
            raise _BrokenError(f"the certificate of {each.subject.rfc4514_string()} was not valid then")
        if each in given and each.issuer == each.subject:
            return
        each = _issuer(each, known)
    raise _BrokenError("the chain does not end")


def _issuer(certificate: x509.Certificate, known: Certificates) -> x509.Certificate:
    for each in known:
        if each.subject == certificate.issuer and each != certificate and _may_sign(each):
            try:
                certificate.verify_directly_issued_by(each)
            except (InvalidSignature, TypeError, ValueError):
                continue
            return each
    raise _BrokenError(f"nobody that you gave has signed the certificate of {certificate.subject.rfc4514_string()}")


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
