"""Small bank files of our own making, with a switch for each thing that a bank may do differently."""

from string import Formatter

from ringfence.banking.reading import read_statement_file
from ringfence.banking.statement import Statement
from ringfence.refusal import Refused

IBAN = "LT601010012345678901"
ROOTS = {"052": "BkToCstmrAcctRpt", "053": "BkToCstmrStmt", "054": "BkToCstmrDbtCdtNtfctn"}


def tag(name: str, *inside: str, **attributes: str) -> str:
    written = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f"<{name}{written}>{''.join(inside)}</{name}>"


def balance(
    kind: str, amount: str, *, sign: str | None = "CRDT", on: str = "2026-03-02", currency: str = "EUR", more: str = ""
) -> str:
    return tag(
        "Bal",
        tag("Tp", tag("CdOrPrtry", tag("Cd", kind))),
        more,
        tag("Amt", amount, Ccy=currency),
        tag("CdtDbtInd", sign) if sign else "",
        tag("Dt", tag("Dt", on)),
    )


def entry(
    amount: str,
    sign: str | None = "CRDT",
    *,
    currency: str = "EUR",
    status: str | None = "<Cd>BOOK</Cd>",
    reversal: str | None = None,
    booked_on: str | None = "2026-03-02",
    reference: str | None = None,
    details: str = "",
    more: str = "",
) -> str:
    return tag(
        "Ntry",
        tag("Amt", amount, Ccy=currency),
        tag("CdtDbtInd", sign) if sign else "",
        tag("RvslInd", reversal) if reversal else "",
        tag("Sts", status) if status else "",
        tag("BookgDt", tag("Dt", booked_on)) if booked_on else "",
        tag("AcctSvcrRef", reference) if reference else "",
        more,
        tag("NtryDtls", details) if details else "",
    )


def statement(
    *inside: str,
    identification: str = "S1",
    opening: str | None = "100.00",
    closing: str | None = "100.00",
    balances: str | None = None,
    currency: str | None = "EUR",
    account: str = tag("Id", tag("IBAN", IBAN)),
    heading: str = "",
    on: str = "2026-03-02",
    unit: str = "Stmt",
) -> str:
    """`balances` takes the place of `opening` and `closing`, which are OPBD and CLBD in credit."""
    if balances is None:
        kind = currency or "EUR"
        balances = balance("OPBD", opening, on=on, currency=kind) if opening is not None else ""
        balances += balance("CLBD", closing, on=on, currency=kind) if closing is not None else ""
    owner = tag("Acct", account, tag("Ccy", currency) if currency else "") if account else ""
    return tag(unit, tag("Id", identification), heading, owner, balances, *inside)


def message(
    *statements: str,
    kind: str = "053",
    version: str = "001.08",
    namespace: str | None = None,
    root: str | None = None,
    group: str = "",
    declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\n',
    before: str = "",
) -> str:
    where = f"urn:iso:std:iso:20022:tech:xsd:camt.{kind}.{version}" if namespace is None else namespace
    header = tag("GrpHdr", tag("MsgId", "M1"), tag("CreDtTm", "2026-03-02T20:00:00+01:00"), group)
    inside = tag(root or ROOTS[kind], header, *statements)
    return declaration + before + (tag("Document", inside, xmlns=where) if where else tag("Document", inside))


def read(text: str | bytes) -> list[Statement]:
    return read_statement_file("sample.xml", text.encode() if isinstance(text, str) else text)


def refusal_of(text: str | bytes) -> str:
    """The name of the refusal, or `read`; every fact that its sentence speaks of has to be given."""
    try:
        read(text)
    except Refused as refused:
        named = {name for _, name, _, _ in Formatter().parse(refused.refusal.en + refused.refusal.zh) if name}
        unsaid = named - set(refused.facts)
        return f"{refused.name} without {unsaid}" if unsaid else refused.name
    return "read"
