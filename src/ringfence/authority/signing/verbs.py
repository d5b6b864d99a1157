"""The verbs `authority keys` and `authority admit`: by which keys a program signs, and which may ask for payments."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, verb

if TYPE_CHECKING:
    from ringfence.authority.signing import Key

Program = Annotated[str, typer.Argument(help="Name of the program / 程序名称。")]


def keys_(program: Program, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """List the keys by which a program signs, and whether it may ask for payments by them / 列出程序的签名密钥。"""
    from ringfence import installation
    from ringfence.authority.signing import keys, program_of

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        with core.connection() as connection:
            program_of(connection, core.book.book_id, program)
            found = keys(connection, core.book.book_id, program)
        rows: list[tuple[str, str, str]] = []
        said: list[dict[str, Any]] = []
        for each in found:
            fingerprint, state = each.fingerprint, state_of(each, core.clock())
            asks = screen.word(", may ask for payments", "，可发起付款") if each.admitted is not None else ""
            rows.append((fingerprint, state + asks, ", ".join(each.scopes)))
            said.append(
                {
                    "fingerprint": fingerprint,
                    "state": state,
                    "admitted": each.admitted,
                    "scopes": list(each.scopes),
                    "expires_at": each.expires_at.isoformat(),
                }
            )
        screen.table((("key", "密钥"), ("state", "状态"), ("reaches", "权限范围")), rows)
        screen.result({"book": book, "program": program, "keys": said})


def admit(
    program: Program,
    fingerprint: Annotated[str, typer.Argument(help="Of the key, as `authority keys` lists it / 密钥指纹。")],
    login: Login,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Propose that a program may ask for payments by a key; somebody else approves it / 提请准许以该密钥发起付款。"""
    from ringfence.authority.signing import propose_admission

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        made = propose_admission(core, session, program, fingerprint)
        screen.say(
            f"Proposal {made.proposal_id} waits for somebody else's approval.", f"提案 {made.proposal_id} 待他人审批。"
        )
        screen.result({"book": book, "proposal": str(made.proposal_id), "sha256": made.payload_sha256.hex()})


def state_of(key: "Key", at: datetime) -> str:
    if key.revoked is not None:
        return "revoked"
    return "active" if at < key.expires_at else "expired"
