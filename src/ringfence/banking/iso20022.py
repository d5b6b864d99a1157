"""What every ISO 20022 message of this package shares: building elements, times, and reading a stranger's XML safely.

A message is a `Document` in the namespace of its exact version. Written bytes are a pure function of the values: same
values, same bytes. Reading never expands an entity, never opens a network connection or another file, and refuses any
document type declaration, so that no file can make the reader do anything but read.
"""

from datetime import UTC, datetime, tzinfo

from lxml import etree

PREFIX = "urn:iso:std:iso:20022:tech:xsd:"


class NotSafeXmlError(ValueError):
    """The bytes are not well-formed XML, or carry a document type declaration; the text says which."""


def document(message: str, root: str) -> tuple[etree._Element, etree._Element]:
    """An empty message such as `pain.001.001.09` with its root element: (document, root)."""
    namespace = PREFIX + message
    whole = etree.Element(f"{{{namespace}}}Document", nsmap={None: namespace})  # type: ignore[dict-item]  # the stubs forget the default namespace
    return whole, add(whole, root)


def add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    """Append an element of the parent's namespace."""
    child = etree.SubElement(parent, f"{{{etree.QName(parent).namespace}}}{name}", attributes)
    child.text = text
    return child


def add_path(parent: etree._Element, path: str, text: str | None = None) -> etree._Element:
    """Append `A/B/C`, each inside the one before, and return the last."""
    *outer, last = path.split("/")
    for name in outer:
        parent = add(parent, name)
    return add(parent, last, text)


def serialised(whole: etree._Element) -> bytes:
    return etree.tostring(whole, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def instant(at: datetime) -> str:
    """An ISODateTime in UTC, to the millisecond: `2026-03-02T09:00:00.000Z`."""
    if at.tzinfo is None:
        raise ValueError("a time without its zone is not an instant")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parsed_instant(text: str, zone: tzinfo) -> datetime:
    """The instant of an ISODateTime; one that names no offset is in `zone`, the bank's. ValueError if it is none."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC)


def name_of(element: etree._Element) -> tuple[str, str]:
    """A stranger's namespace ("" for none) and local name. XML allows a brace in a namespace, lxml's QName does not."""
    namespace, _, local = str(element.tag).rpartition("}")
    return namespace[1:], local


def parsed(content: bytes) -> etree._Element:
    """The root element of a stranger's bytes, without comments and processing instructions."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as broken:
        raise NotSafeXmlError(" ".join(str(broken.msg).split())[:160]) from None
    document_type: object = root.getroottree().docinfo.internalDTD  # None where there is none, which the stubs deny
    if document_type is not None:
        raise NotSafeXmlError("it carries a document type declaration")
    return root
