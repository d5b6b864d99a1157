"""A program that crosses money between two books until it is killed: the child of the crash test of crossings.

    python crossing_crash.py <file of the two books> <seed> <file of what was answered>

Three threads begin crossings both ways, some with an expiry of milliseconds, some to an account that takes no more; a
fourth carries on whatever it finds open. What was answered "posted" is noted at once.
"""

import json
import os
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from ringfence.database.connection import connect
from ringfence.ledger import crossing, reading
from ringfence.ledger.crossing import Crossing, Side
from ringfence.ledger.journal import Journal
from ringfence.refusal import Refused

CUSTOMERS = ("customer:a", "customer:b", "customer:c", "customer:full")
CURRENCY = "EUR"


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def side_of(conninfo: str, name: str, clock=now) -> Iterator[Side]:
    """A book as one program sees it: a journal of its own, and a connection whenever it looks."""

    @contextmanager
    def connected():
        with connect(conninfo) as found:
            yield found

    with connected() as connection:
        book = reading.book_named(connection, name)
    journal = Journal(lambda: connect(conninfo), book.book_id)
    with closing(journal):
        yield Side(book, lambda unit: journal.submit([unit], clock())[0], connected, clock)


def main(books: Path, seed: int, answered: Path) -> None:
    with ExitStack() as opened:
        found = json.loads(books.read_text()).items()
        cross_until_killed([opened.enter_context(side_of(conninfo, name)) for name, conninfo in found], seed, answered)


def cross_until_killed(sides: list[Side], seed: int, answered: Path) -> None:
    noted = os.open(answered, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def begin(thread: int) -> None:
        chance = random.Random(seed * 10 + thread)
        while True:
            source, target = sides if chance.random() < 0.5 else sides[::-1]
            patience = chance.choice((timedelta(milliseconds=chance.randint(5, 60)), timedelta(hours=1)))
            asked = Crossing(
                UUID(int=chance.getrandbits(128)),
                source.book.name,
                chance.choice(CUSTOMERS[:3]),
                target.book.name,
                chance.choice(CUSTOMERS),
                chance.randint(1, 500),
                CURRENCY,
                now().date(),
                now() + patience,
            )
            try:
                crossing.cross(source, target, asked)
            except Refused:
                continue
            os.write(noted, f"{asked.crossing_id}\n".encode())

    def carry_on() -> None:
        while True:
            for source, target in (sides, sides[::-1]):
                for _ in crossing.finish_all(source, {target.book.name: target}):
                    pass

    threads = [threading.Thread(target=begin, args=(each,), daemon=True) for each in range(3)]
    threads.append(threading.Thread(target=carry_on, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
