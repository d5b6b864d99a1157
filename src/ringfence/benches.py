"""The verb `bench`: what is measured, each figure beside its reference."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, Home, verb
from ringfence.refusal import Fault, refusal

if TYPE_CHECKING:
    from ringfence.database.server import Server
    from ringfence.ledger.bench import Row

KNOWN: Final = ("journal", "evidence")

BENCH_IS_UNKNOWN = refusal(
    "bench_is_unknown",
    Fault.UNKNOWN,
    en="There is no benchmark {name!r}; there are: {known}.",
    zh="没有名为 {name!r} 的基准测试；现有：{known}。",
)


def bench(
    name: Annotated[str, typer.Argument(help="journal, evidence, or all / journal、evidence 或 all。")] = "all",
    full: Annotated[
        bool, typer.Option("--full/--quick", help="Everything, in an hour, or the most in minutes / 全部或简短。")
    ] = False,
    rows: Annotated[
        int | None, typer.Option(help="Transfers in a row of the growth table / 连续转账笔数。", min=100_000)
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Measure beside a reference in the same run / 与同一次运行中的参照比较。"""
    from rich.table import Table

    from ringfence.database import roles
    from ringfence.database.server import open_server
    from ringfence.ledger.bench import machine as machine_of

    with verb(home, as_json=as_json) as screen:
        if name not in (*KNOWN, "all"):
            raise BENCH_IS_UNKNOWN(name=name, known=", ".join(KNOWN))
        asked = screen.settings
        with (
            open_server(asked.home, asked.database_url, without_tls=asked.database_without_tls) as server,
            screen.progress() as progress,
        ):
            roles.create_roles(server)
            machine = machine_of(server)
            task = progress.add_task("", total=None)

            parts: list[str] = []

            def advance(what: str) -> None:
                progress.update(task, description=what)
                part = what.partition(":")[0]
                if progress.disable and part not in parts[-1:]:  # a file gets a line for each part, not each round
                    parts.append(part)
                    sys.stderr.write(f"… {part}\n")
                    sys.stderr.flush()

            chosen = KNOWN if name == "all" else (name,)
            found = [row for each in chosen for row in _measured(each, server, advance, full=full, rows=rows)]
        said = [row.as_json() for row in found]
        screen.result({"machine": machine, "size": "full" if full else "quick", "rows": said})
        for table in dict.fromkeys(row.table for row in found):
            shown = Table(
                table,
                "",
                screen.word("reference", "参照"),
                "",
                screen.word("ratio", "比值"),
                screen.word("goal", "目标"),
            )
            for row in said:
                if row["table"] == table:
                    shown.add_row(row["name"], *_figures(row))
            screen.show(shown)
        screen.say(", ".join(f"{key} {value}" for key, value in machine.items()), "")
        if any(row.holds is False for row in found):
            raise typer.Exit(EXIT_VERDICT_NO)


def _measured(
    name: str, server: "Server", advance: Callable[[str], None], *, full: bool, rows: int | None
) -> "list[Row]":
    from dataclasses import replace

    from ringfence.evidence import bench as evidence
    from ringfence.ledger import bench as journal
    from ringfence.liabilities import bench as liabilities

    if name == "evidence":
        found = evidence.evidence(server, evidence.FULL if full else evidence.QUICK, advance)
        return [*found, *liabilities.rows(advance)]
    size = journal.FULL if full else journal.QUICK
    return journal.journal(server, replace(size, growth=rows, far=0) if rows else size, advance)


def _figures(row: dict[str, Any]) -> tuple[str, ...]:
    """The cells of a row: its figure, its reference, the ratio, and whether the goal is reached."""
    value = row["note"] if row["value"] is None else f"{row['value']:,} {row['unit']}"
    reference = "" if row["reference_value"] is None else f"{row['reference_value']:,}"
    goal = "" if row["goal"] is None else f"{'≥' if row['bound'] == 'at_least' else '≤'} {row['goal']:g}"
    mark = {None: "", True: "✓ ", False: "✗ "}[row["holds"]]
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
    return value, row["reference"], reference, ratio, mark + goal
