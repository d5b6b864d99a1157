"""Measure the journal and the evidence, and write what was found to docs/reference/performance.md.

    python scripts/performance.py --date 2026-03-02            # measures everything: an hour
    python scripts/performance.py --date 2026-03-02 --quick    # most of it: minutes
    python scripts/performance.py --date 2026-03-02 --part evidence    # one part; the other stays as it was
    python scripts/performance.py --date 2026-03-02 --part journal --from F   # of what `bench journal --json` printed

The date is an argument, so that the page of one measurement is always the same. `make bench` calls the first.
"""
# ruff: noqa: INP001 - a program of its own folder, not a package

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "performance.md"
MADE = "<!-- Made by scripts/performance.py from a measurement; run `make bench` to make it again. -->\n"
# What each column of details is called, and how it is shown.
DETAILS = {
    "client_us": "client CPU {} µs",
    "backend_us": "backend CPU {} µs",
    "server_us": "server CPU {} µs",
    "reference_backend_us": "reference's backend CPU {} µs",
    "reference_one_write": "one write {}",
    "reference_chunks": "chunks of 32 kB {}",
    "p50_ms": "p50 {} ms",
    "p99_ms": "p99 {} ms",
    "p50_s": "p50 {} s",
    "rows_p50": "{} rows at p50",
    "posted_a_second": "{} posted a second",
    "half_way_mb": "{} MB half way",
    "last_part_mb": "{} MB at the end",
    "signed_a_second": "{} rows signed a second",
    "durable_us": "durable {} µs",
    "sign_ms": "signed and published in {} ms",
    "record_proof_us": "a record proven and checked in {} µs",
    "tree_proof_us": "an older tree in {} µs",
    "took_s": "took {} s",
    "export_s": "export written in {} s",
    "peak_mb": "peak {} MB",
    "hashing_alone_s": "as many hashes alone {} s",
}


def main() -> int:
    """0: the page is written; what falls short stands in it as plainly as the rest."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--date", required=True, type=date.fromisoformat, help="day of the measurement")
    asked.add_argument("--quick", action="store_true", help="most of it, in minutes")
    asked.add_argument("--part", choices=tuple(PARTS), help="measure this part alone, and leave the other as it was")
    asked.add_argument("--from", dest="file", type=Path, help="what `ringfence bench PART --json` printed before")
    given = asked.parse_args()
    if given.file and not given.part:
        asked.error("--from needs --part")
    before, _, after = PAGE.read_text(encoding="utf-8").partition(BETWEEN)
    written = dict(zip(PARTS, (before, after), strict=True))
    for part in [given.part] if given.part else list(PARTS):
        found = json.loads(given.file.read_text(encoding="utf-8")) if given.file else measured(part, quick=given.quick)
        if "rows" not in found:
            sys.stderr.write(f"nothing was measured: {found.get('sentence', 'the benchmark failed')}\n")
            return 2
        written[part] = PARTS[part](found, given.date)
    PAGE.write_text(f"{written['journal'].rstrip()}\n{BETWEEN}{written['evidence']}", encoding="utf-8")
    sys.stderr.write(f"written: {PAGE.relative_to(ROOT)}\n")
    return 0


def measured(part: str, *, quick: bool) -> dict[str, Any]:
    words = ["bench", part, "--quick" if quick else "--full", "--json"]
    done = subprocess.run([sys.executable, "-m", "ringfence", *words], stdout=subprocess.PIPE, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return found


def evidence(found: Mapping[str, Any], day: date) -> str:
    """The part of the page that `bench evidence` measured."""
    rows: Sequence[Mapping[str, Any]] = found["rows"]
    judged = [row for row in rows if row["holds"] is not None]
    short = [row for row in judged if not row["holds"]]
    lines = ["# Performance of the evidence\n", EVIDENCE, "", *machine(found["machine"], found["size"], day)]
    lines += [f"\n{len(judged) - len(short)} of {len(judged)} goals are reached."]
    if short:
        lines += ["\nThese fall short:\n"]
        lines += [f"- {row['table']}: {row['name']}: {judgement(row)}" for row in short]
    for name in dict.fromkeys(row["table"] for row in rows):
        lines += [f"\n## {name.capitalize()}\n", ABOUT[name], *table([row for row in rows if row["table"] == name])]
    return "\n".join(lines) + "\n"


def page(found: Mapping[str, Any], day: date) -> str:
    """The part of the page that `bench journal` measured."""
    rows: Sequence[Mapping[str, Any]] = found["rows"]
    judged = [row for row in rows if row["holds"] is not None]
    short = [row for row in judged if not row["holds"]]
    lines = [MADE, "# Performance of the journal\n", INTRODUCTION]
    lines += ["\n## Measured on\n", *machine(found["machine"], found["size"], day)]
    lines += ["\n## In short\n", f"{len(judged) - len(short)} of {len(judged)} goals are reached."]
    if short:
        lines += ["\nThese fall short:\n"]
        lines += [f"- {row['table']}: {row['name']}: {judgement(row)}" for row in short]
    for name in dict.fromkeys(row["table"] for row in rows):
        lines += [f"\n## {name.capitalize()}\n", *([ABOUT[name]] if name in ABOUT else [])]
        if name == "bytes on disk":
            lines += disk([row for row in rows if row["table"] == name])
        else:
            lines += table([row for row in rows if row["table"] == name])
    lines += ["", GROWTH]
    return "\n".join(lines) + "\n"


def machine(known: Mapping[str, Any], size: str, day: date) -> list[str]:
    named = {
        "day": day.isoformat(),
        "measured": "everything" if size == "full" else "the quick part",
        "processor": f"{known['cpu']}, {known['cores']} cores",
        "memory": f"{known['memory_gb']} GB",
        "system": f"{known['system']}, Python {known['python']}, NumPy {known['numpy']}, psycopg {known['psycopg']}",
        "PostgreSQL": known["server_version"],
    }
    settings = {
        name: value for name, value in known.items() if "_" in name and name not in ("memory_gb", "server_version")
    }
    named["durability"] = ", ".join(f"{name} {value}" for name, value in {"fsync": known["fsync"], **settings}.items())
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in named.items())]


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["\n| what | figure | reference | ratio | goal | | details |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        figure = row["note"] if row["value"] is None else f"{number(row['value'])} {row['unit']}"
        reference = row["reference"] + ("" if row["reference_value"] is None else f": {number(row['reference_value'])}")
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        holds = {None: "", True: "holds", False: "**falls short**"}[row["holds"]]
        details = "; ".join(
            [*details_of(row["more"]), *([row["note"]] if row["note"] and row["value"] is not None else [])]
        )
        lines.append(f"| {row['name']} | {figure} | {reference} | {ratio} | {goal(row)} | {holds} | {details} |")
    return lines


def disk(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(name for row in rows for name in row["more"]))
    lines = [f"\n| | together | {' | '.join(columns)} |", f"|---|---|{'---|' * len(columns)}"]
    for row in rows:
        cells = [number(row["more"].get(name)) for name in columns]
        lines.append(f"| {row['name']} | {number(row['value'])} | {' | '.join(cells)} |")
    return lines


def details_of(more: Mapping[str, Any]) -> list[str]:
    said = [form.format(number(more[name])) for name, form in DETAILS.items() if more.get(name) is not None]
    parts = [number(value) for name, value in more.items() if name.startswith("part_")]
    by_connections = [
        f"{name.split('_')[1]}: {number(value)}" for name, value in more.items() if name.endswith("_connections")
    ]
    said += [f"{number(value)} MB at {int(name[3:]):,}" for name, value in more.items() if name.startswith("at_")]
    if parts:
        said.append(f"tenth by tenth {', '.join(parts)}")
    if by_connections:
        said.append(f"by connections {', '.join(by_connections)}")
    return said


def goal(row: Mapping[str, Any]) -> str:
    return "" if row["goal"] is None else f"{'≥' if row['bound'] == 'at_least' else '≤'} {row['goal']:g}"


def judgement(row: Mapping[str, Any]) -> str:
    if row["ratio"] is None:
        return f"{number(row['value'])} {row['unit']} (goal {goal(row)})"
    return f"{row['ratio']:.3f} of {row['reference']} (goal {goal(row)})"


def number(value: float | None) -> str:
    """As many digits as mean something."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{round(value, digits):,}" if digits else f"{round(value):,}"


INTRODUCTION = """\
Every figure stands beside a reference that was measured in the same run, in turn with it: `ringfence bench journal`
([what it prints](json.md#bench)). Believe the ratios; the figures belong to the machine, and machines are shared and
drift. *By backend CPU* counts the processor time of the one PostgreSQL backend that writes, which neighbours disturb
least. *Client CPU* is that of our program, a transfer. A figure that falls short says so."""

ABOUT = {
    "batches": """\
One append of 8,000 transfers with all rules: every account has a minimum and a maximum, the pool is guarded, and two
monitors are watched (except where the row says no monitors). The reference is a COPY of the same rows, laid out
beforehand, into a table of the same columns, constraints and indexes: as fast as PostgreSQL takes these rows at all.
It is sent as one write and in chunks of 32 kB, and the faster counts. Both ways this program keeps one core and
PostgreSQL's backends the other, where the system allows it.""",
    "single requests": """\
64 clients, each of which asks for one transfer and waits for its answer. The references are what a ledger on SQL
usually does: one transaction a transfer, locked rows, one call of a function in the database, prepared, accounts
locked in order, with free room in their pages. One numbers its transfers without a gap, as a journal must; the other
takes numbers from a sequence. A C program (pgbench) drives them over 1, 8 and 64 connections, and the best counts.
An *fdatasync* is one write of 8 kB made durable on the same disk in the same run.""",
    "http": """\
The same through `ringfence serve`: one transfer a request over 64 connections, and 8,000 packed rows a request at the
bulk endpoint. Server, clients and database share the cores.""",
    "transfers in a row": """\
Batches of 8,000, one after the other, without a pause. Memory counts from half
way on, when every account has been seen and snapshots have been kept. A hundred million come last, in a book of their
own, without entries; from fifty million on they lie in the journal's second part.""",
    "bytes on disk": """\
What a transfer adds, between two marks: the journal's table, each of its indexes by its columns, and the write-ahead
log (`log`), which is recycled and does not stay.""",
    "posting with the log": """\
The notary is `ringfence notary` as everybody runs it, beside the program that posts, their two backends, and two cores.
In turn it works and is stopped. Batches are posted faster than it signs, so while the clock runs it never rests; it
gives way (niceness 14), and what it is behind it makes up when less is posted. The accounts are ten thousand.""",
    "the log": """\
Entries are leaves of transfers, appended five thousand at a time from each size on; tree and tiles are what is hashed
and laid out, *durable* is every file synchronised with the disk, per entry. Proofs are of records and older trees at
random, made from the files and checked.""",
    "the stranger": """\
`verifier/verify.py` on an export, all of its checks, on one core, in Python.""",
    "liabilities": """\
The tree over what every customer is owed, built once a day and currency beside other work: ids, nonces, leaves, order
and nodes, on one core. Balances come from the database and secrets from the vault besides, and are not in these
figures.""",
    "reading": """\
Asked of the book above, with its entries made, while another program posts 50,000 transfers a second and a third keeps
the entries behind them: on two cores, three programs and their backends.""",
}

GROWTH = """\
## Growth on paper

What a transfer costs, from the layout of its row. It explains the measured bytes above, and says what grows with
what.

**The row.** 32 bytes of tuple header (23, a bitmap of nulls for 15 columns, aligned), 4 of line pointer, then the
columns in the order of the table: book 4 and 4 of padding, sequence 8, kind 2, flags 2, id 16, 4 of padding, debit,
credit and amount 24, code 4, value date 4, posted at 8: 80. So 116 bytes, 70 rows on a page of 8 kB, 116.8 bytes a
row. `refers_to` and `order_id` add 16 each when they are there, `expires_at` 8, a payload its length and 1 or 4; a
null costs nothing.

**The indexes.** An entry has 8 bytes of header and 4 of pointer. Sequences arrive in order, so the primary key (book,
sequence: 12 bytes, 16 aligned) fills its pages to 90 %: 28 / 0.9 = 31 bytes a row. Ids (book, id: 20 bytes, 24
aligned) cost 36 / 0.9 = 40 bytes when they are ordered by time, as version 7 of RFC 9562 makes them; random ids split
pages in the middle, fill them to 69 % and touch another page each: 52 bytes, and a multiple of the time. The indexes
on references, orders, events and what stands over a book are partial: a plain transfer is in none of them.

**The log.** COPY logs many rows of a table's page in one record; every index entry has a record of its own, and every
page is logged once whole after a checkpoint. It is recycled at `max_wal_size` and does not grow with the book.

**The entries.** Two rows a movement: 24 of header, 4 of pointer, 56 of columns (book 4 and 4 of padding, six of 8),
84 bytes each; and one index entry each on (account, sequence), 20 bytes, 24 aligned, with 12 and pages 70 % full,
because accounts come in any order: 51. So 270 bytes a movement: the entries are larger than the journal. They are
made a little later, and can be made again.

**Depth.** A page of the index on sequences holds some 260 rows, of that on ids some 200, and so do the pages above:
10⁶ rows are 3 levels, 10⁷ and 10⁸ are 4. Sequences and ordered ids are inserted at the right edge, on the page where
the last one went, whatever the depth: what a row costs does not depend on how many there are. Entries go to as many
pages as there are accounts, so their index wants to be in memory: 100 bytes a movement.

**Where a transfer's time goes.** In the backend, about 3 µs: forming and logging the row, and two indexes. In our
program, below 1 µs: laying the row out for COPY, checking it in columns, comparing ids. What an append costs as a
whole (a round trip, the promise, the commit with its write to the disk) is shared by the rows of the batch: with
8,000 it is below 0.1 µs each, with 64 it is most of it.

**Memory.** The writer keeps 64 bytes an account, its name, and the open holds; nothing for a transfer. So does the
notary.

**A year.** 10 transfers a second, day and night, are 3.2 · 10⁸ a year: 60 GB of journal and 85 GB of entries. 1,000 a
second are 6 TB and 8.5 TB: many books, with old ranges sealed and archived."""


EVIDENCE = """\
`ringfence bench evidence` ([what it prints](json.md#bench)): what the log costs those who post, what it costs itself as
it grows, and what a stranger waits."""
BETWEEN = "\n<!-- Below: the part of `bench evidence`. -->\n\n"
PARTS = {"journal": page, "evidence": evidence}


if __name__ == "__main__":
    sys.exit(main())
