"""A program that rotates the field keys of a book in small steps. After each it says a line and waits for one, so that
it is killed where the test wants it.

python vault_crash.py <conninfo> <home> <book>
"""

import sys
from datetime import timedelta
from pathlib import Path

from ringfence.core import Core, uuid7_source, wall_clock
from ringfence.database.connection import connect, pool
from ringfence.ledger.journal import Journal
from ringfence.ledger.reading import books
from ringfence.ledger.writer import Writer
from ringfence.vault.keeping import Vault
from ringfence.vault.providers import read_choice
from ringfence.vault.rotation import rotate

BATCH = 5


def main(conninfo: str, home: str, number: str) -> None:
    def tell(changed: int) -> None:
        sys.stdout.write(f"{changed}\n")
        sys.stdout.flush()
        sys.stdin.readline()

    with pool(conninfo, largest=4) as connections, connect(conninfo) as connection:
        [book] = [each for each in books(connection) if each.book_id == int(number)]
        writer = Writer(Journal(lambda: connect(conninfo), book.book_id), wall_clock)
        core = Core(book, writer, connections, wall_clock, uuid7_source())
        vault = Vault(book.book_id, core.connection, read_choice(Path(home)), b"k" * 32, wall_clock, core.new_id)
        rotate(core, vault, "field", batch=BATCH, settle=timedelta(0), progress=tell)
        writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
