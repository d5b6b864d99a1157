"""The load of an HTTP benchmark, a program of its own: `python -m ringfence.ledger.bench.load < order`.

The order is JSON: `address` (host and port), `token`, `connections`, `seconds`, `work` and what that needs. The answer
is JSON: `answered` requests, `seconds`, this program's `cpu` seconds, `latencies` (seconds, sorted), `refused` (the
first answer that says no, if any).

  register   customers `names` at `bank`, each once
  single     one transfer a request as JSON, between accounts `names`
  bulk       packed rows, `rows` a request, between accounts `numbers`

It speaks HTTP/1.1 over kept connections with as little of its own as it can, because it shares the cores with what it
measures. Each connection asks, waits for the answer, and asks again.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import numpy as np

from ringfence.ledger.bench.ids import Ids
from ringfence.ledger.model import EPOCH_DAY, ROW, Kind

ROWS_TYPE: Final = "application/vnd.ringfence.rows"
RESULTS_TYPE: Final = "application/vnd.ringfence.results"
RESULT: Final = np.dtype([("result", "<i2"), ("sequence", "<i8"), ("replayed", "u1")])
CODE: Final = 102  # customer transfer
AMOUNT: Final = 1  # minor units, so that nobody runs out of money
_Work = Callable[[dict[str, Any]], Iterator[bytes]]


def main() -> None:
    """Do what standard input says; tell what came of it on standard output."""
    order = json.load(sys.stdin)
    requests = _WORK[order["work"]](order)
    json.dump(asyncio.run(_drive(order, requests)), sys.stdout)


async def _drive(order: dict[str, Any], requests: Iterator[bytes]) -> dict[str, Any]:
    host, _, port = order["address"].partition(":")
    latencies: list[float] = []
    refused: list[str] = []
    opened = [await asyncio.open_connection(host, int(port)) for _ in range(order["connections"])]
    cpu, begun = time.process_time(), time.perf_counter()
    until = begun + order["seconds"]

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for request in requests:
            sent = time.perf_counter()
            writer.write(request)
            status, body = await _answer(reader)
            latencies.append(time.perf_counter() - sent)
            if status not in (200, 201) or not _posted(order["work"], body):
                refused.append(f"{status} {body[:500].decode(errors='replace')}")
            if refused or time.perf_counter() > until:
                return

    await asyncio.gather(*(ask(reader, writer) for reader, writer in opened))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    for _, writer in opened:
        writer.close()
    return {
        "answered": len(latencies),
        "seconds": seconds,
        "cpu": cpu,
        "latencies": sorted(latencies),
        "refused": refused[0] if refused else None,
    }


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(head[9:12]), await reader.readexactly(length)


def _posted(work: str, body: bytes) -> bool:
    """Whether every row of a packed answer is posted; the others say it by their status."""
    return work != "bulk" or not np.frombuffer(body, RESULT)["result"].any()


def _request(order: dict[str, Any], path: str, body: bytes, kind: str = "application/json", accept: str = "") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {order['address']}\r\nAuthorization: Bearer {order['token']}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nAccept: {accept or 'application/json'}\r\n\r\n"
    )
    return head.encode() + body


def _register(order: dict[str, Any]) -> Iterator[bytes]:
    for number, (name, account) in enumerate(zip(order["names"], order["payees"], strict=True)):
        said = {"id": name, "name": f"Customer {name}", "nature": "person", "payee_account": account}
        said |= {"identity_number": f"X{number:08d}1"}
        said["documents"] = [{"kind": "passport", "country": "LT", "sha256": f"{number:064x}"}]
        yield _request(order, "/api/v1/customers", json.dumps(said | {"bank": order["bank"]}).encode())


def _single(order: dict[str, Any]) -> Iterator[bytes]:
    chance, ids = random.Random(7), Ids()  # noqa: S311 - a load, not a secret
    day = datetime.now(UTC).date().isoformat()
    while True:
        debit, credit = chance.sample(order["names"], 2)
        said = {
            "id": str(UUID(bytes=ids.take(1)[0].tobytes())),
            "debit": debit,
            "credit": credit,
            "amount": {"amount": "0.01", "currency": "EUR"},
            "code": CODE,
            "value_date": day,
        }
        yield _request(order, "/api/v1/journal/transfers", json.dumps(said).encode())


def _bulk(order: dict[str, Any]) -> Iterator[bytes]:
    chance, ids = np.random.default_rng(7), Ids()
    numbers = np.array(order["numbers"], np.int64)
    while True:
        rows = np.zeros(order["rows"], ROW)
        debit = chance.integers(0, len(numbers), len(rows))
        away = chance.integers(1, len(numbers), len(rows))
        rows["kind"], rows["id"], rows["amount"], rows["code"] = Kind.TRANSFER, ids.take(len(rows)), AMOUNT, CODE
        rows["debit_account"], rows["credit_account"] = numbers[debit], numbers[(debit + away) % len(numbers)]
        rows["value_date"] = (datetime.now(UTC).date() - EPOCH_DAY).days
        yield _request(order, "/api/v1/journal/rows", rows.tobytes(), ROWS_TYPE, RESULTS_TYPE)


_WORK: Final[dict[str, _Work]] = {"register": _register, "single": _single, "bulk": _bulk}


if __name__ == "__main__":
    main()
