"""The verb `book correct`: propose to take a transfer back."""

from typing import Annotated
from uuid import UUID

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, verb


def correct(
    transfer: Annotated[UUID, typer.Argument(help="Id of the journal's row / 账簿行的编号。")],
    login: Login,
    reason: Annotated[str, typer.Option(help="Why; the approvers read it / 理由，供审批人阅读。")],
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Propose to take a transfer back, whole; others approve it / 提议冲正一笔转账。"""
    from ringfence.custody import corrections

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        made = corrections.propose(core, session, transfer, reason)
        screen.say(f"Proposed: {made.proposal_id}", f"已提议：{made.proposal_id}")
        screen.result(
            {
                "book": book,
                "transfer": str(transfer),
                "proposal": str(made.proposal_id),
                "sha256": made.payload_sha256.hex(),
            }
        )
