"""The verbs `safeguard` and `day`."""

from datetime import datetime
from typing import Annotated, Any

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, BookName, Home, Screen, verb

day = typer.Typer(help="The business day: open, close / 营业日：日始、日终。", no_args_is_help=True)
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Business day / 营业日。")]


def safeguard(home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Is all of it there, now: requirement, resource, shortfall or excess / 当前应存、实存、缺口或超额。"""
    from ringfence import installation
    from ringfence.safeguarding.position import live_position

    with (
        verb(home, as_json=as_json) as screen,
        installation.opened(screen.settings) as server,
        installation.core_of(server, book) as core,
        core.connection() as connection,
    ):
        said = live_position(connection, core.book.book_id).as_json()
        _tell(screen, said)


@day.command("open")
def open_(when: Day, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Open a business day / 日始。"""
    from ringfence import installation
    from ringfence.custody.days import open_day

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        open_day(core, when.date())
        screen.say(f"{when.date()} is open.", f"{when.date()} 已日始。")
        screen.result({"book": book, "day": when.date().isoformat(), "state": "open"})


@day.command("close")
def close(when: Day, home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Reconcile, test safeguarding, and close the day / 对账、测试并日终。"""
    from ringfence import installation
    from ringfence.safeguarding.day import close_day

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        said = close_day(core, when.date()).as_json()
        _tell(screen, said)


def _tell(screen: Screen, said: dict[str, Any]) -> None:
    screen.result(said)
    screen.table(
        (),
        [(name.replace("_", " "), str(value)) for name, value in said.items() if not isinstance(value, (list, dict))],
    )
    if str(said.get("shortfall", "0")).strip("0.") not in ("", "-"):
        raise typer.Exit(EXIT_VERDICT_NO)
