"""The verbs `book` and `bench`."""

from datetime import datetime
from typing import Annotated, Any

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, Home, verb
from ringfence.refusal import Fault, refusal

book = typer.Typer(
    help="Books: found, open, account, client, list, balances, entries"
    " / 账簿：创建、开立、账户、程序、列表、余额、分录。",
    no_args_is_help=True,
)

BENCH_IS_UNKNOWN = refusal(
    "bench_is_unknown",
    Fault.UNKNOWN,
    en="There is no benchmark {name!r}; there are: {known}.",
    zh="没有名为 {name!r} 的基准测试；现有：{known}。",
)


@book.command("open")
def open_(
    name: Annotated[str, typer.Argument(help="Name / 名称。")], home: Home = None, as_json: AsJson = False
) -> None:
    """Open a book / 开立账簿。"""
    from ringfence import installation
    from ringfence.core import wall_clock
    from ringfence.ledger.reading import open_book

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("core") as connection:
            found = open_book(connection, name, wall_clock())
        screen.say(
            f"Book {found.name} is open, number {found.book_id}.", f"账簿 {found.name} 已开立，编号 {found.book_id}。"
        )
        screen.result({"book": found.name, "number": found.book_id, "rows": found.head})


@book.command("list")
def list_(home: Home = None, as_json: AsJson = False) -> None:
    """List the books / 列出账簿。"""
    from rich.table import Table

    from ringfence import installation
    from ringfence.ledger.reading import books

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("reader") as connection:
            found = books(connection)
        table = Table(
            "", screen.word("book", "账簿"), screen.word("rows", "行数"), screen.word("last written", "最后写入")
        )
        for each in found:
            table.add_row(str(each.book_id), each.name, f"{each.head:,}", each.head_at.isoformat(timespec="seconds"))
        screen.show(table)
        screen.result({"books": [{"book": each.name, "number": each.book_id, "rows": each.head} for each in found]})


@book.command("balances")
def balances(
    name: Annotated[str, typer.Argument(help="Book / 账簿。")],
    accounts: Annotated[str, typer.Argument(help="Names, % for any / 账户名，% 为任意。")] = "%",
    before: Annotated[int | None, typer.Option(help="Before this row of the journal / 截至此行之前。")] = None,
    value_date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="With a value date up to this day / 起息日截至此日。")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Balances now, or as they were before a row, and by value date / 余额。"""
    from dataclasses import replace

    from rich.table import Table

    from ringfence import installation
    from ringfence.ledger import reading
    from ringfence.ledger.reading import balance_by_value_date as ask
    from ringfence.money import currency, format_minor

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("core") as connection:
            book_id = reading.book_named(connection, name).book_id
            last = reading.LATEST if before is None else before
            found = reading.balances(connection, book_id, accounts, before=last, fresh=True)
            if value_date:
                day = value_date.date()
                found = [
                    replace(each, balance=ask(connection, book_id, each.name, day, before=last).balance)
                    for each in found
                ]
        table = Table(screen.word("account", "账户"), screen.word("balance", "余额"), screen.word("held", "冻结"), "")
        said: list[dict[str, Any]] = []
        for each in found:
            unit = currency(each.currency)
            balance, held = format_minor(each.balance, unit), format_minor(each.held, unit)
            table.add_row(each.name, balance, held, each.currency)
            said.append({"account": each.name, "balance": balance, "held": held, "currency": each.currency})
        screen.show(table)
        screen.result({"book": name, "balances": said})


@book.command("entries")
def entries_(
    name: Annotated[str, typer.Argument(help="Book / 账簿。")],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Forget them and make them again / 清空并重新生成。")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """How far entries, from which balances are read, are behind the journal / 分录落后多少。"""
    from ringfence import installation
    from ringfence.ledger import reading
    from ringfence.ledger.entries import QUERIES, Entries

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("core") as connection:
            book_id = reading.book_named(connection, name).book_id
            found = reading.lag(connection, book_id)
        if rebuild:
            with server.connect("owner") as owner:
                owner.execute(QUERIES.forget_entries, {"book": book_id})
            with server.connect("core") as connection, screen.progress() as progress:
                connection.autocommit = True
                task = screen.begin(progress, "entries", "分录")
                projector, reached, head = Entries(book_id), 0, 1
                while reached < head:
                    reached, head = projector.step(connection)
                    progress.update(task, completed=reached, total=head)
                found = reading.lag(connection, book_id)
        screen.say(
            f"Entries have {found.reached:,} rows; {found.rows:,} are missing, for {found.seconds:.2f} s.",
            f"分录已含 {found.reached:,} 行；尚缺 {found.rows:,} 行，已等 {found.seconds:.2f} 秒。",
        )
        said = {"rows": found.reached, "missing": found.rows, "seconds": round(found.seconds, 3), "rebuilt": rebuild}
        screen.result({"book": name, **said})


def bench(
    name: Annotated[str, typer.Argument(help="journal, or all / journal 或 all。")] = "all",
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Measure beside a reference in the same run / 与同一次运行中的参照比较。"""
    from rich.table import Table

    from ringfence.database import roles
    from ringfence.database.server import open_server
    from ringfence.ledger import bench as benches

    known = {"journal": benches.journal}
    with verb(home, as_json=as_json) as screen:
        if name not in (*known, "all"):
            raise BENCH_IS_UNKNOWN(name=name, known=", ".join(known))
        with open_server(screen.settings.home, screen.settings.database_url) as server, screen.progress() as progress:
            roles.create_roles(server)
            machine = benches.machine(server)
            task = progress.add_task("", total=None)
            chosen = known.values() if name == "all" else [known[name]]
            rows = [
                row for each in chosen for row in each(server, lambda what: progress.update(task, description=what))
            ]
        said = [row.as_json() for row in rows]
        screen.result({"machine": machine, "rows": said})
        table = Table(
            "", "", screen.word("reference", "参照"), "", screen.word("ratio", "比值"), screen.word("goal", "目标")
        )
        for row in said:
            goal = "" if row["goal"] is None else f"{'✓' if row['holds'] else '✗'} ≥ {row['goal']}"
            figures = (f"{row['value']:,} {row['unit']}", row["reference"], f"{row['reference_value']:,}")
            table.add_row(row["name"], *figures, f"{row['ratio']:.3f}", goal)
        screen.show(table)
        screen.say(", ".join(f"{key} {value}" for key, value in machine.items()), "")
        if any(row["holds"] is False for row in said):
            raise typer.Exit(EXIT_VERDICT_NO)
