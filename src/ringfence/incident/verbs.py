"""The verb `brake`: is it pulled, pull it, propose to release it. Who acts signs in with a password."""

from typing import Annotated

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, Screen, verb
from ringfence.incident.brake import Brake

brake = typer.Typer(help="The brake on every payout / 付款总制动。", no_args_is_help=True)
Reason = Annotated[str, typer.Option(help="Why / 原因。")]


@brake.command("status")
def status(home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Is it pulled, since when, and by whom / 制动状态。"""
    from ringfence import installation
    from ringfence.incident.brake import brake_state

    with (
        verb(home, as_json=as_json) as screen,
        installation.opened(screen.settings) as server,
        installation.core_of(server, book) as core,
        core.connection() as connection,
    ):
        _say(screen, brake_state(connection, core.book.book_id))


@brake.command("pull")
def pull_(login: Login, reason: Reason, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Stop every payout at the gateway, at once / 立即停止所有付款。"""
    from ringfence.incident.brake import pull

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        _say(screen, pull(core, session, reason))


@brake.command("release")
def release_(login: Login, reason: Reason, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Propose to release it; two others approve in the console / 提议解除，由另外两人审批。"""
    from ringfence.incident.brake import brake_state, propose_release

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        drafted = propose_release(core, session, reason)
        screen.say(f"Proposed: {drafted.proposal_id}", f"已提议：{drafted.proposal_id}")
        with core.connection() as connection:
            _say(screen, brake_state(connection, core.book.book_id), proposal=str(drafted.proposal_id))


def _say(screen: Screen, state: Brake, proposal: str | None = None) -> None:
    said = {"pulled": state.pulled, "since": state.since, "by": state.by, "reason": state.reason}
    screen.result(said | ({"proposal": proposal} if proposal else {}))
    if state.pulled:
        screen.say(
            f"[bold red]The brake is pulled[/] since {state.since} by {state.by}: {state.reason}",
            f"[bold red]制动已拉下[/]，{state.since}，{state.by}：{state.reason}",
        )
    else:
        screen.say(
            "[bold green]The brake is released[/]; payouts may leave.", "[bold green]制动未拉下[/]，可正常付款。"
        )
