"""The verb `demo`."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ringfence.command import Home, Screen, require_free, verb
from ringfence.refusal import Fault, refusal

FIRST_PORT: Final = 8400

RESULT_CANNOT_BE_WRITTEN = refusal(
    "result_cannot_be_written",
    Fault.MACHINE,
    en="The result cannot be written to {path}: {detail}.",
    zh="无法将结果写入 {path}：{detail}。",
)


def demo(
    home: Home = None,
    headless: Annotated[bool, typer.Option("--headless", help="Do not serve the console / 不提供控制台。")] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the day's figures to this file / 将当日数据写入文件。")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the invented platform / 随机种子。")] = 7,
    customers: Annotated[int, typer.Option(min=20, max=5_000, help="How many / 客户数量。")] = 300,
    day: Annotated[str | None, typer.Option(help="Business day, YYYY-MM-DD / 营业日。")] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Of the console / 控制台端口。")] = FIRST_PORT,
) -> None:
    """Live one custody day from deposit to signed checkpoint, then serve the console / 演示一个完整的存管日。"""
    import signal
    import time

    with verb(home) as screen:
        chosen = _business_day(day)
        figures, password, children, closing = _live(screen, chosen, seed, customers, port)
        with closing:
            if json_file is not None:
                _write(json_file, figures)
            _show(screen, figures)
            if headless:
                return
            address = f"http://localhost:{port}/"
            screen.say(
                f"\nThe console is at [bold]{address}[/]  login [bold]tina[/] (treasurer), [bold]adam[/]"
                f" (approver), [bold]rita[/] (risk)  password [bold]{password}[/]\nCtrl-C ends it.",
                f"\n控制台：[bold]{address}[/]  登录 [bold]tina[/]（司库）、[bold]adam[/]（复核）、"
                f"[bold]rita[/]（风控）  密码 [bold]{password}[/]\n按 Ctrl-C 结束。",
            )
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                while True:
                    children.look()
                    time.sleep(1)
            except KeyboardInterrupt:
                screen.say("Stopping.", "正在停止。")


def _live(screen: Screen, day: date, seed: int, customers: int, port: int) -> Any:
    from contextlib import ExitStack
    from datetime import UTC, datetime

    from ringfence import installation
    from ringfence.demo.children import Children
    from ringfence.demo.founding import found, open_accounts
    from ringfence.demo.play import Player, play
    from ringfence.demo.scenario import BOOK, scenario

    settings = screen.settings
    with ExitStack() as stack:
        progress = stack.enter_context(screen.progress())
        task = screen.begin(progress, "database starts", "启动数据库", 1)
        server = stack.enter_context(installation.opened(settings))
        require_free("127.0.0.1", port)
        installation.find_or_open_book(server, BOOK)
        progress.advance(task)
        core = stack.enter_context(installation.core_of(server, BOOK))
        task = screen.begin(progress, "people and accounts", "人员与账户", 2)
        address = f"http://localhost:{port}"  # by name, because passkeys belong to one
        founded = found(settings, core, address)
        progress.advance(task)
        told = scenario(seed, day, customers)
        open_accounts(settings, core, told.banks, day)
        progress.advance(task)
        children = Children(settings.home / "logs")
        stack.callback(children.stop)
        place = ["--home", str(settings.home), "--book", BOOK]
        children.start("core", ["serve", *place, "--port", str(port)])
        children.start("gateway", ["gateway", *place])
        children.start("notary", ["notary", *place])
        player = Player(screen, server, told, children, progress, address, datetime.now(UTC), founded)
        figures = play(player, core)
        progress.stop()
        return figures, founded.password, children, stack.pop_all()


def _business_day(given: str | None) -> date:
    if given is not None:
        from ringfence.settings import SETTING_IS_WRONG

        try:
            return date.fromisoformat(given)
        except ValueError as error:
            raise SETTING_IS_WRONG(name="--day", value=given, expected="YYYY-MM-DD") from error
    today = date.today()  # noqa: DTZ011 - a business day is the local calendar's
    return today - timedelta(days=max(0, today.weekday() - 4))


def _write(path: Path, figures: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise RESULT_CANNOT_BE_WRITTEN(path=path, detail=error.strerror or error) from error


def _show(screen: Screen, figures: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(show_header=False, title=screen.word("The custody day", "存管日"))
    words = {
        "day": "营业日", "orders": "指令", "transfers": "转账", "requirement": "应存", "resource": "实存",
        "shortfall": "缺口", "excess": "超额", "discrepancies": "差错", "payouts_held": "待放行付款",
        "approvals_signed": "已签名批准",
        "customers_verified": "已核实客户", "customers_unverified": "未核实客户", "customers_restricted": "受限客户",
        "verified": "外部核验", "seconds": "秒",
    }  # fmt: skip
    for name, chinese in words.items():
        table.add_row(screen.word(name.replace("_", " "), chinese), str(figures[name]))
    signed = figures["checkpoint"]
    table.add_row(screen.word("checkpoint", "检查点"), f"{signed['size']} · {signed['root'][:16]}…")
    screen.show(table)
