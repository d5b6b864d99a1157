"""What every verb of the command line shares: options, one way to print, one way to say no.

A verb prints for people (Rich, in the language of the settings) or, with --json, one object for programs on standard
output. A refusal is one sentence on standard error (with --json its object on standard output) and exit status 2; a
verdict that is "no" (a discrepancy, an evidence that does not hold) is exit status 1.
"""

import errno
import json
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ringfence.database.refusals import PORT_IS_TAKEN, refused_by
from ringfence.refusal import Fault, Refused, refusal
from ringfence.settings import Settings, read_settings

EXIT_VERDICT_NO: Final = 1
EXIT_REFUSED: Final = 2

PROGRAM_HAS_A_DEFECT = refusal(
    "program_has_a_defect",
    Fault.MACHINE,
    en="Something happened that nobody foresaw. What was answered before is kept. Please report: {detail}",
    zh="发生了未预见的情况；此前已应答的均已保存。请报告：{detail}",
)
ADDRESS_IS_NOT_OF_THIS_MACHINE = refusal(
    "address_is_not_of_this_machine",
    Fault.INPUT,
    en="{host!r} is not an address of this machine that can be listened on: {detail}.",
    zh="{host!r} 不是本机可监听的地址：{detail}。",
)

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Folder of the installation / 安装目录 (RINGFENCE_HOME).", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object / 输出一个 JSON 对象。")]
BookName = Annotated[str, typer.Option("--book", help="Name of the book / 账簿名称。")]


class Screen:
    """Where a verb prints: to people, or to a program."""

    def __init__(self, settings: Settings, *, as_json: bool) -> None:
        self.settings = settings
        self.as_json = as_json
        self.console = Console(stderr=as_json, highlight=False)

    def say(self, english: str, chinese: str) -> None:
        """A line for people; nothing when a program reads. It is a line also in a pipe, where nobody folds it."""
        if not self.as_json:
            self.console.print(chinese if self.settings.language == "zh" else english, soft_wrap=True)

    def line(self, text: str) -> None:
        """A text to be copied, such as a key: one line, every letter as it is."""
        if not self.as_json:
            self.console.print(text, markup=False, emoji=False, soft_wrap=True)

    def table(self, columns: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> None:
        """Rows for people, under columns that are named in English and Chinese; without columns, as they are."""
        table = Table(*(self.word(*each) for each in columns), show_header=bool(columns))
        for row in rows:
            table.add_row(*row)
        self.show(table)

    def show(self, renderable: Any) -> None:
        """What Rich can draw, for people."""
        if not self.as_json:
            self.console.print(renderable)

    def result(self, value: Mapping[str, Any]) -> None:
        """The one object for programs."""
        if self.as_json:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")

    def exactly(self, content: bytes) -> None:
        """These bytes alone on standard output, also with --json: whoever keeps them has the file, to the last byte. On
        a terminal, where nobody does, a line ends behind them.
        """
        sys.stdout.flush()
        sys.stdout.buffer.write(content + b"\n" * sys.stdout.isatty())
        sys.stdout.buffer.flush()

    def word(self, english: str, chinese: str) -> str:
        return chinese if self.settings.language == "zh" else english

    @contextmanager
    def progress(self) -> Iterator[Progress]:
        """A progress bar on standard error, if that is a terminal."""
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        shown = Console(stderr=True)
        with Progress(*columns, console=shown, disable=not shown.is_terminal) as progress:
            yield progress

    def begin(self, progress: Progress, english: str, chinese: str, total: int | None = None) -> TaskID:
        """Begin a task of a progress bar; a file or a pipe gets a line instead."""
        said = self.word(english, chinese)
        if progress.disable:
            sys.stderr.write(f"… {said}\n")
            sys.stderr.flush()
        return progress.add_task(said, total=total)


@contextmanager
def verb(home: Path | None, *, as_json: bool = False) -> Iterator[Screen]:
    """The frame of every verb: settings in, refusals out."""
    settings = None
    try:
        settings = read_settings(home=home)
        yield Screen(settings, as_json=as_json)
    except Refused as refused:
        _refuse(refused, settings, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_REFUSED) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except Exception as error:
        import psycopg

        if isinstance(error, (typer.Exit, typer.Abort)):
            raise
        meaning = refused_by(error) if isinstance(error, psycopg.Error) else None
        _refuse(meaning or _defect(error, settings), settings, as_json=as_json)


def require_free(host: str, port: int) -> None:
    """`address_is_not_of_this_machine`, or `port_is_taken` if another program listens there."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except (OSError, UnicodeError) as error:
        if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES):
            raise PORT_IS_TAKEN(port=port) from error
        raise ADDRESS_IS_NOT_OF_THIS_MACHINE(
            host=host, detail=str(getattr(error, "strerror", None) or error)
        ) from error


def _defect(error: Exception, settings: Settings | None) -> Refused:
    """What nobody foresaw: people get a sentence, developers the whole of it in a file."""
    told = "".join(traceback.format_exception(error))
    try:
        folder = (settings.home if settings else Path(tempfile.gettempdir())) / "logs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix="defect-", suffix=".txt", dir=folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(told)
    except OSError:
        name = f"{type(error).__name__}: {error}"
    return PROGRAM_HAS_A_DEFECT(detail=name)


def _refuse(refused: Refused, settings: Settings | None, *, as_json: bool) -> None:
    language = settings.language if settings else "en"
    if as_json:
        sys.stdout.write(json.dumps(refused.as_json(language), ensure_ascii=False, indent=2) + "\n")
    else:
        Console(stderr=True, highlight=False).print(f"[bold red]{refused.name}[/]: ", end="")
        Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(refused.sentence(language))
    raise typer.Exit(EXIT_REFUSED)
