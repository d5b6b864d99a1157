"""The verb `statement import`: read bank files, or refuse them by name, and prove their continuity."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ringfence.command import EXIT_REFUSED, AsJson, Home, verb

statement = typer.Typer(help="Bank statements / 银行对账单。", no_args_is_help=True)


@statement.callback()
def _statement() -> None:
    pass


@statement.command("import")
def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders / 文件或文件夹。")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Read every file, or refuse it by name; prove opening + entries = closing = next opening / 读取并核验对账单。"""
    from ringfence.banking.summary import summarise

    with verb(home, as_json=as_json) as screen:
        with screen.progress() as progress:
            task = screen.begin(progress, "reading", "读取中", None)
            found = summarise(paths, watch=lambda _: progress.advance(task))
        said: dict[str, Any] = found.as_json(screen.settings.language)
        screen.result(said)
        rows = []
        for file in said["files"]:
            read = file["outcome"] == "read"
            mark = "[green]✓[/]" if read else "[red]✗[/]"
            sums = "  ".join(f"{unit} −{debit} +{credit}" for unit, (debit, credit) in file["sums"].items())
            counted = (str(file["statements"]), str(file["entries"]))
            rows.append((mark, Path(file["file"]).name, *counted, sums or file["reason"]))
        screen.table((("", ""), ("file", "文件"), ("statements", "对账单"), ("entries", "条目"), ("", "")), rows)
        refused = sum(file["outcome"] == "refused" for file in said["files"])
        days, breaks = said["continuity"]["days"], said["continuity"]["breaks"]
        read_files = len(said["files"]) - refused
        screen.say(
            f"{read_files} files read, {refused} refused; {days} days continuous, {len(breaks)} breaks",
            f"读取 {read_files} 个，拒绝 {refused} 个；连续 {days} 天，断点 {len(breaks)} 处",
        )
        if refused == len(said["files"]):
            raise typer.Exit(EXIT_REFUSED)
