"""The verbs `clearing open`, `check` and `finish`."""

from typing import Annotated, Any

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, Home, verb

clearing = typer.Typer(help="Money between books: clearing accounts / 账簿之间的资金：清算账户。", no_args_is_help=True)

One = Annotated[str, typer.Argument(help="A book / 账簿。")]
Other = Annotated[str, typer.Argument(help="Another book / 另一账簿。")]


@clearing.command("open")
def open_(
    one: One,
    other: Other,
    currency: Annotated[str, typer.Argument(help="Currency / 币种。")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Open the clearing accounts of two books for each other / 为两个账簿互开清算账户。"""
    from ringfence import installation
    from ringfence.ledger.crossing import open_clearing
    from ringfence.money import currency as currency_of

    with verb(home, as_json=as_json) as screen, installation.sides_of(screen.settings) as sides:
        code = currency_of(currency).code
        for here, there in ((one, other), (other, one)):
            open_clearing(sides.side(here), there, code)
        screen.say(f"{one} and {other} can clear {code}.", f"{one} 与 {other} 之间可清算 {code}。")
        screen.result({"books": [one, other], "currency": code})


@clearing.command("check")
def check(home: Home = None, as_json: AsJson = False) -> None:
    """Compare the clearing accounts of all books, pair by pair / 逐对核对所有账簿的清算账户。"""
    from ringfence import installation
    from ringfence.ledger.crossing.clearing import clearing_differences
    from ringfence.money import currency, format_minor

    with verb(home, as_json=as_json) as screen, installation.sides_of(screen.settings) as sides:
        found = clearing_differences([sides.side(name) for name in sides.names()])
        rows = []
        said: list[dict[str, Any]] = []
        for each in found:
            unit = currency(each.currency)
            due, claimed, difference = (format_minor(n, unit) for n in (each.due, each.claimed, each.difference))
            rows.append((each.source, each.target, due, claimed, str(len(each.in_flight)), difference, each.currency))
            said.append(
                {
                    "source": each.source,
                    "target": each.target,
                    "currency": each.currency,
                    "due": due,
                    "claimed": claimed,
                    "in_flight": [str(one.crossing.crossing_id) for one in each.in_flight],
                    "difference": difference,
                    "holds": each.holds,
                }
            )
        figures = (("owed", "应付"), ("claimed", "应收"), ("in flight", "在途"), ("difference", "差异"))
        screen.table((("", ""), ("", ""), *figures, ("", "")), rows)
        screen.result({"pairs": said})
        if not all(each.holds for each in found):
            raise typer.Exit(EXIT_VERDICT_NO)


@clearing.command("finish")
def finish(home: Home = None, as_json: AsJson = False) -> None:
    """Carry every crossing that is open to its end / 将所有未完结的跨账簿转账推进至完结。"""
    from ringfence import installation
    from ringfence.ledger.crossing import finish_all

    with verb(home, as_json=as_json) as screen, installation.sides_of(screen.settings) as sides:
        known = {name: sides.side(name) for name in sides.names()}
        said = [
            {"crossing": str(crossing.crossing_id), "outcome": state.outcome}
            for side in known.values()
            for crossing, state in finish_all(side, known)
        ]
        for each in said:
            screen.say(f"{each['crossing']} {each['outcome']}", f"{each['crossing']} {each['outcome']}")
        screen.result({"finished": said})
