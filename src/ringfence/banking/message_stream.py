"""A bank's XML message as a stream: safely opened, recognised by its namespace, never held in memory whole.

Nothing that a file says makes the reader open another file or a connection: a document type declaration is refused
whatever it declares, so there are no entities to expand and nothing to fetch. Comments and processing instructions are
passed over, and text on both sides of one is a single text. Limits: `LOOK_AHEAD_BYTES` until the message begins,
`PART_BYTES` for any single part of it; libxml2 adds its own for depth, names and texts.

What a message is, its `Document` element's namespace says (`urn:iso:std:iso:20022:tech:xsd:camt.053.001.08`), and the
element inside has to agree. The `Document` may stand in a bank's envelope.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, Literal, cast

from lxml import etree

from ringfence.banking.iso20022 import name_of
from ringfence.refusal import Fault, Refused, refusal

Element = etree._Element  # noqa: SLF001 - lxml gives its elements' class no other name

CHUNK_BYTES = 1 << 16
LOOK_AHEAD_BYTES = 1 << 20
PART_BYTES = 16 << 20

BANK_FILE_IS_EMPTY = refusal(
    "bank_file_is_empty",
    Fault.INPUT,
    en="The file holds nothing.",
    zh="文件为空。",
)
BANK_FILE_IS_CUT_SHORT = refusal(
    "bank_file_is_cut_short",
    Fault.INPUT,
    en="The file ends before its XML does: {problem}.",
    zh="文件在 XML 结束前中断：{problem}。",
)
BANK_FILE_ENCODING_IS_WRONG = refusal(
    "bank_file_encoding_is_wrong",
    Fault.INPUT,
    en="The file's characters are not in the encoding that it declares: {problem}.",
    zh="文件字符与其声明的编码不符：{problem}。",
)
BANK_FILE_IS_NOT_XML = refusal(
    "bank_file_is_not_xml",
    Fault.INPUT,
    en="The file is not well-formed XML: {problem}.",
    zh="文件不是格式正确的 XML：{problem}。",
)
BANK_FILE_DECLARES_A_DOCUMENT_TYPE = refusal(
    "bank_file_declares_a_document_type",
    Fault.INPUT,
    en="The file carries a document type declaration ({declaration}), which no bank message has and attacks use.",
    zh="文件带有文档类型声明（{declaration}）：银行报文不含此声明，而攻击会利用它。",
)
BANK_FILE_EXCEEDS_LIMITS = refusal(
    "bank_file_exceeds_limits",
    Fault.INPUT,
    en="A part of the file is larger or deeper than any bank message needs: {problem}.",
    zh="文件某一部分的大小或层数超出银行报文所需：{problem}。",
)
MESSAGE_IS_UNKNOWN = refusal(
    "message_is_unknown",
    Fault.INPUT,
    en="This is no bank message that this version knows: {found}.",
    zh="本版本不识别此银行报文：{found}。",
)
MESSAGE_HAS_NO_NAMESPACE = refusal(
    "message_has_no_namespace",
    Fault.INPUT,
    en="{element} has no namespace, so nothing says which message and version it is.",
    zh="{element} 没有命名空间，无法确定报文类型与版本。",
)
MESSAGE_CONTRADICTS_ITS_NAMESPACE = refusal(
    "message_contradicts_its_namespace",
    Fault.INPUT,
    en="The namespace says {message}, but the Document holds {found}.",
    zh="命名空间为 {message}，而 Document 内为 {found}。",
)
FILE_HOLDS_SEVERAL_DOCUMENTS = refusal(
    "file_holds_several_documents",
    Fault.INPUT,
    en="The file holds {documents} Documents; send each as a file of its own.",
    zh="文件内含 {documents} 个 Document；请分别成文件发送。",
)

_NAMESPACE = re.compile(
    r"(?:urn:iso:std:iso:20022:tech:xsd:|urn:swift:xsd:\$?)(?P<kind>[a-z]{4}\.[0-9]{3})(?P<version>\.[0-9]{3}\.[0-9]{2})",
    re.ASCII,
)
_ENCODING_ERRORS = frozenset(
    {
        etree.ErrorTypes.ERR_UNKNOWN_ENCODING,
        etree.ErrorTypes.ERR_UNSUPPORTED_ENCODING,
        etree.ErrorTypes.ERR_INVALID_ENCODING,
        etree.ErrorTypes.I18N_NO_NAME,
        etree.ErrorTypes.I18N_NO_HANDLER,
        etree.ErrorTypes.I18N_CONV_FAILED,
        etree.ErrorTypes.I18N_NO_OUTPUT,
    }
)
_LIMIT_ERRORS = frozenset(
    {114, etree.ErrorTypes.ERR_NAME_TOO_LONG, etree.ErrorTypes.ERR_ENTITY_LOOP}  # 114 is XML_ERR_RESOURCE_LIMIT
)
# What libxml2 tells only when the file has ended, although more of it would not have helped.
_COMPLETE_ERRORS = frozenset({etree.ErrorTypes.NS_ERR_UNDEFINED_NAMESPACE})


@dataclass(frozen=True)
class Message:
    """A message that has been recognised, and the rest of its stream; `parts` reads it, once."""

    kind: str  # camt.053
    name: str  # camt.053.001.08
    namespace: str
    root: str | None  # BkToCstmrStmt; None where the Document is empty
    _chunks: Iterator[bytes]

    def parts(self, names: Sequence[str]) -> Iterator[Element]:
        """The elements of these local names, each when it has ended. Whoever takes one clears it (`cleared`)."""
        wanted = [f"{{{self.namespace}}}{name}" for name in names]
        parser = _parser(("end",), [*wanted, "{*}Document"])
        held = documents = 0
        for chunk in chain(self._chunks, (None,)):
            _feed(parser, chunk)
            held += len(chunk or b"")
            for element in _elements(parser):
                held = 0
                if not _is_document(element):
                    yield element
                elif not any(map(_is_document, element.iterancestors())):  # one inside is supplementary, in an envelope
                    documents += 1
            if documents > 1:
                raise FILE_HOLDS_SEVERAL_DOCUMENTS(documents=documents)
            if held > PART_BYTES:
                raise BANK_FILE_EXCEEDS_LIMITS(problem=f"a part of more than {PART_BYTES >> 20} MiB")


def opened(stream: BinaryIO) -> Message:
    """Read until the message shows what it is; refused where it is none."""
    head: list[bytes] = []
    document, root = _first_elements(stream, head)
    if document is None:
        raise MESSAGE_IS_UNKNOWN(found="XML without a Document element" if head else "nothing")
    namespace, name = name_of(document)
    if not namespace:
        raise MESSAGE_HAS_NO_NAMESPACE(element=name)
    if (match := _NAMESPACE.fullmatch(namespace)) is None:
        raise MESSAGE_IS_UNKNOWN(found=namespace[:100])
    kind = match["kind"]
    if root is not None and name_of(root)[0] != namespace:
        raise MESSAGE_CONTRADICTS_ITS_NAMESPACE(message=kind, found=str(root.tag)[:100])
    local = None if root is None else local_name(root)
    return Message(kind, kind + match["version"], namespace, local, chain(head, _chunks(stream)))


def local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def cleared(element: Element) -> None:
    """Forget an element that has been read, and its brother before it. The element itself stays, empty, because the
    parser still hangs the next text on it.
    """
    element.clear()
    before = element.getprevious()
    if before is not None and before.tag == element.tag and (parent := element.getparent()) is not None:
        parent.remove(before)


def _first_elements(stream: BinaryIO, head: list[bytes]) -> tuple[Element | None, Element | None]:
    """The Document and its first child, filling `head` with what was read on the way."""
    parser = _parser(("start",), None)
    document = None
    for chunk in chain(_chunks(stream), (None,)):
        if chunk is not None:
            head.append(chunk)
        elif not head:
            raise BANK_FILE_IS_EMPTY()
        _feed(parser, chunk)
        for element in _elements(parser):
            if declared := cast(Any, element.getroottree().docinfo).doctype:
                raise BANK_FILE_DECLARES_A_DOCUMENT_TYPE(declaration=declared[:100])
            if document is not None:
                return document, element if element.getparent() is document else None
            if _is_document(element):
                document = element
        if sum(map(len, head)) > LOOK_AHEAD_BYTES:
            break
    return document, None


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _parser(events: Sequence[Literal["start", "end"]], tags: list[str] | None) -> etree.XMLPullParser:
    return etree.XMLPullParser(
        events=events,
        tag=tags,
        remove_comments=True,
        remove_pis=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )


def _feed(parser: etree.XMLPullParser, chunk: bytes | None) -> None:
    """Feed a chunk, or with None say that it was the last."""
    try:
        if chunk is None:
            parser.close()
        else:
            parser.feed(chunk)
    except etree.XMLSyntaxError as error:
        raise _named(error, at_end=chunk is None) from None


def _named(error: etree.XMLSyntaxError, *, at_end: bool) -> Refused:
    problem = " ".join(str(error.msg).split())[:160]
    code = getattr(error, "code", 0)
    if code in _ENCODING_ERRORS:
        return BANK_FILE_ENCODING_IS_WRONG(problem=problem)
    if code in _LIMIT_ERRORS or "too big" in problem:
        return BANK_FILE_EXCEEDS_LIMITS(problem=problem)
    if at_end and code not in _COMPLETE_ERRORS:
        return BANK_FILE_IS_CUT_SHORT(problem=problem)
    return BANK_FILE_IS_NOT_XML(problem=problem)


def _elements(parser: etree.XMLPullParser) -> Iterator[Element]:
    return (cast(Element, element) for _, element in parser.read_events())


def _is_document(element: Element) -> bool:
    return local_name(element) == "Document"
