"""Verify an exported book of Ringfence. A stranger's program: it shares no code with Ringfence.

    python verify.py FOLDER [--key VKEY] [--witnesses POLICY] [--auditor VKEY] [--tsa-cert PEM] [--json] [--lang en|zh]
    python verify.py receipts/<id>.json --key VKEY [--key VKEY]
    python verify.py PROOF.json --key VKEY [--key VKEY] [--witnesses POLICY] [--auditor VKEY]

The folder is described in docs/reference/evidence-format.md. Ends with 0 if everything in it agrees with what was
signed, 1 if anything does not, 2 if it cannot be read or the call is wrong. Needs Python 3.11 or later and the package
`cryptography`, for signatures.

The checks, each of which names the place where it fails:

    manifest     manifest.json is in its one spelling
    files        every file is listed there with its length and SHA-256, and none is spare
    key          notary.vkey is a key or two, and those that were given with --key
    checkpoint   is signed with each of them, and agrees with the manifest
    witnesses    is cosigned by as many as the policy that was given with --witnesses asks for
    timestamps   stamped checkpoints were there when the authority of --tsa-cert says
    entries      the bundles hold as many entries as were signed
    root         the entries hash to the root that was signed
    tiles        the hashes in between are those of the entries
    checkpoints  every older checkpoint was signed over a beginning of the same entries
    journal      rows are numbered without a gap, ids occur once, time does not go back
    replay       every row keeps the rules of the book, from the first to the last
    approvals    every approval that says a signature has one that holds, and those that need one say it
    origins      every payment was asked for by somebody from whom the policy takes it, as a signature shows
    requirements proposals ask for whom the policy says, payments have them, and go to payees that are old enough
    wallets      accounts of customers are of verified ones, who moved what they might
    escrow       money in escrow moved only while its condition was true by the rows before
    liabilities  what customers are owed, all of them, is what was proven of each day, and what the bank's statement
                 was reconciled with
    book         book.json says what the journal and the checkpoint say
    receipts     every receipt is a row of this book, proven up to a signed root
"""

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from words import LANGUAGES, Unreadable, Wrong, say

try:
    import log
    from approvals import Approvals
    from book import Book, Journal, Row, decode
    from escrow import Escrow
    from liabilities import Liabilities, Stands, cut_off_of, stand
    from origins import Origins
    from receipts import RECEIPT_BYTES_MAX, prove_receipt, verify_file
    from requirements import Requirements
    from timestamps import Certificates, check_timestamp, read_certificates
    from verdict import Check, Verdict, as_json, as_text, needed
    from wallets import Wallets
    from witnesses import Policy, read_policy, who_signed
except ImportError as missing:
    print(say("en", "cryptography_is_missing", {"module": missing.name}), file=sys.stderr)
    sys.exit(2)
from folder import Folder, check_files, check_manifest

BOOK_FIELDS: Final = {"book": int, "currencies": list, "name": str}
VALID, NOT_VALID, UNREADABLE = 0, 1, 2


class Reader(Protocol):
    """Whatever judges a book row by row; `add` raises `Wrong` at the row that does not hold."""

    def add(self, row: Row, payload: bytes) -> None: ...


AnyReader = TypeVar("AnyReader", bound=Reader)


def verify(
    path: Path,
    given: log.Key | None,
    policy: Policy | None = None,
    auditors: tuple[log.Key, ...] = (),
    authority: Certificates | None = None,
) -> Verdict:
    """All checks of a folder. Raises `Unreadable` if there is nothing to check."""
    verdict = Verdict()
    stands: Stands = {}
    folder = Folder(path)
    manifest = verdict.check("manifest", the_manifest, folder)
    verdict.check("files", the_files, folder, manifest)
    key = verdict.check("key", the_key, folder, given) or given
    signed = verdict.check("checkpoint", the_checkpoint, folder, key)
    if policy is not None:
        verdict.check("witnesses", the_witnesses, folder, signed, policy)
    if authority is not None:
        verdict.check("timestamps", the_timestamps, folder, key, signed, authority)
    tree = verdict.check("entries", the_entries, folder, signed)
    verdict.check("root", the_root, tree, signed, manifest)
    verdict.check("tiles", the_tiles, folder, tree)
    verdict.check("checkpoints", older_checkpoints, folder, key, signed, tree)
    verdict.check("journal", the_journal, folder, tree, stands)
    book = verdict.check("replay", the_replay, folder, tree, stands)
    verdict.check("approvals", the_approvals, folder, tree)
    verdict.check("origins", the_origins, folder, tree)
    verdict.check("requirements", the_requirements, folder, tree)
    verdict.check("wallets", the_wallets, folder, tree)
    verdict.check("escrow", the_escrow, folder, tree)
    verdict.check("liabilities", the_liabilities, folder, tree, signed, stands if book else None, auditors)
    verdict.check("book", the_book, folder, book, signed, manifest)
    verdict.check("receipts", the_receipts, folder, key, signed, tree)
    if signed is not None:
        verdict.size, verdict.root = signed.size, signed.root
    return verdict


def the_manifest(check: Check, folder: Folder) -> dict[str, Any]:
    manifest = check_manifest(folder)
    check.right("manifest_is_right", files=len(manifest["files"]))
    return manifest


def the_files(check: Check, folder: Folder, manifest: dict[str, Any] | None) -> None:
    check_files(folder, needed(manifest, "manifest")["files"])
    check.right("files_are_right", files=len(folder.files) - 1)


def the_key(check: Check, folder: Folder, given: log.Key | None) -> log.Key:
    text = folder.read("notary.vkey").decode("utf-8", "replace")
    if not text.endswith("\n"):
        raise Wrong("key_is_malformed", path="notary.vkey")
    found = log.parse_keys(text[:-1], "notary.vkey")
    if given is not None and given not in (found, replace(found, second=None)):
        raise Wrong("key_is_another", found=found, given=given)
    check.right("key_is_right" if given else "key_is_the_folders_own", key=found)
    return found


def the_checkpoint(check: Check, folder: Folder, key: log.Key | None) -> log.Checkpoint:
    signed = log.open_checkpoint(folder.read("checkpoint"), needed(key, "key"), "checkpoint")
    if key is not None and signed.origin != key.name:
        raise Wrong("checkpoint_is_of_another_log", path="checkpoint", found=signed.origin, wanted=key.name)
    check.right("checkpoint_is_right", origin=signed.origin, size=signed.size)
    return signed


def the_witnesses(check: Check, folder: Folder, signed: log.Checkpoint | None, policy: Policy) -> None:
    size, names = needed(signed, "checkpoint").size, list(who_signed(folder.read("checkpoint"), policy, "checkpoint"))
    if not policy.enough(names):
        raise Wrong("too_few_witnesses", path="checkpoint", names=", ".join(names) or "-", quorum=policy.quorum)
    check.right("witnesses_are_right", names=", ".join(names) or "-", size=size)


def the_timestamps(
    check: Check, folder: Folder, key: log.Key | None, signed: log.Checkpoint | None, authority: Certificates
) -> None:
    key, last = needed(key, "key"), needed(signed, "checkpoint").size
    paths = sorted(path for path in folder.files if path.startswith("timestamps/"))
    times = []
    for path in paths:
        size = path.removeprefix("timestamps/").removesuffix(".tsr")
        place = "checkpoint" if size == str(last) else f"checkpoints/{size}"
        if place not in folder.files:
            raise Wrong("timestamp_is_of_no_checkpoint", path=path)
        note = folder.read(place)
        log.open_checkpoint(note, key, place)
        text, _ = log.parse_note(note, place)
        times.append(check_timestamp(folder.read(path), text.encode(), authority, path))
    if not times:
        raise Wrong("there_is_no_timestamp")
    check.right("timestamps_are_right", count=len(times), first=min(times), last=max(times))


# The log


def the_entries(check: Check, folder: Folder, signed: log.Checkpoint | None) -> log.Tree:
    tree = log.Tree()
    for bundle in bundles(folder, needed(signed, "checkpoint").size):
        tree.add([log.record_hash(entry) for entry in bundle])
    check.right("entries_are_right", size=tree.size)
    return tree


def bundles(folder: Folder, size: int) -> Iterator[list[bytes]]:
    for tile in log.tiles_of(size, log.ENTRIES):
        yield log.entries_of(tile, folder.read(tile.path))


def the_root(
    check: Check, tree: log.Tree | None, signed: log.Checkpoint | None, manifest: dict[str, Any] | None
) -> None:
    tree, signed = needed(tree, "entries"), needed(signed, "checkpoint")
    if tree.root(tree.size) != signed.root:
        raise Wrong("root_is_another", size=signed.size)
    listed = needed(manifest, "manifest")
    for name, found in (("origin", signed.origin), ("size", signed.size), ("root", log.spell(signed.root))):
        if listed[name] != found:
            raise Wrong("manifest_disagrees", field=name, listed=listed[name], found=found)
    check.right("root_is_right", size=signed.size)


def the_tiles(check: Check, folder: Folder, tree: log.Tree | None) -> None:
    tree = needed(tree, "entries")
    expected = {tile.path for tile in log.tiles_of(tree.size, log.ENTRIES)}
    for level in range(len(tree.rows)):
        for tile in log.tiles_of(tree.size, level):
            expected.add(tile.path)
            log.compare_tile(tile, folder.read(tile.path), tree.tile(tile))
    for path in folder.files:
        if path.startswith("tile/") and path not in expected:
            raise Wrong("file_has_no_place", path=path)
    check.right("tiles_are_right", tiles=len(expected))


def older_checkpoints(
    check: Check, folder: Folder, key: log.Key | None, signed: log.Checkpoint | None, tree: log.Tree | None
) -> None:
    key, signed, tree = needed(key, "key"), needed(signed, "checkpoint"), needed(tree, "entries")
    paths = [path for path in folder.files if path.startswith("checkpoints/")]
    for path in paths:
        older = log.open_checkpoint(folder.read(path), key, path)
        _check_beginning(older, signed, tree, path)
        if path != f"checkpoints/{older.size}":
            raise Wrong("checkpoint_has_another_size", path=path, found=older.size)
    check.right("older_are_right", checkpoints=len(paths))


def _check_beginning(older: log.Checkpoint, signed: log.Checkpoint, tree: log.Tree, path: str) -> None:
    """Was this checkpoint signed over a beginning of the entries that are here?"""
    if older.origin != signed.origin:
        raise Wrong("checkpoint_is_of_another_log", path=path, found=older.origin, wanted=signed.origin)
    if older.size > signed.size:
        raise Wrong("checkpoint_has_another_size", path=path, found=older.size)
    if tree.root(older.size) != older.root:
        raise Wrong("older_root_is_another", path=path, size=older.size)


# The book


def rows(folder: Folder, size: int) -> Iterator[tuple[Row, bytes]]:
    sequence = 0
    for bundle in bundles(folder, size):
        for entry in bundle:
            yield decode(entry, sequence)
            sequence += 1


def told(reader: AnyReader, folder: Folder, tree: log.Tree | None) -> AnyReader:
    """The same reader, after every row of the folder."""
    for row, payload in rows(folder, needed(tree, "entries").size):
        reader.add(row, payload)
    return reader


def the_journal(check: Check, folder: Folder, tree: log.Tree | None, stands: Stands) -> None:
    """Beside, it notes in `stands` where the replay has to look at what customers have."""
    journal = Journal()
    for row, payload in rows(folder, needed(tree, "entries").size):
        journal.add(row)
        if (cut_off := cut_off_of(row, payload)) is not None:
            stands[cut_off] = {}
    journal.close()
    check.right("journal_is_right", rows=journal.rows)


def the_replay(check: Check, folder: Folder, tree: log.Tree | None, stands: Stands) -> Book:
    book = Book()
    for row, payload in rows(folder, needed(tree, "entries").size):
        if row.sequence in stands:
            stands[row.sequence] = stand(book.accounts)
        book.apply(row, payload)
    book.close()
    check.right(
        "replay_is_right",
        rows=book.rows,
        accounts=len(book.accounts),
        movements=book.movements,
        refusals=book.refusals,
        currencies=", ".join(book.accounts.currencies()) or "-",
    )
    return book


def the_approvals(check: Check, folder: Folder, tree: log.Tree | None) -> None:
    found = told(Approvals(), folder, tree)
    check.right("approvals_are_right", approvals=found.approvals, signed=found.signed, passkeys=len(found.passkeys))


def the_origins(check: Check, folder: Folder, tree: log.Tree | None) -> None:
    found = told(Origins(), folder, tree)
    check.right("origins_are_right", payments=found.payments, asked=found.asked, keys=len(found.keys))


def the_escrow(check: Check, folder: Folder, tree: log.Tree | None) -> None:
    found = Escrow(Approvals())
    for row, payload in rows(folder, needed(tree, "entries").size):
        found.approvals.add(row, payload)
        found.add(row, payload)
    agreements = len(found.agreements)
    check.right("escrow_is_right", agreements=agreements, released=found.released, returned=found.returned)


def the_liabilities(
    check: Check,
    folder: Folder,
    tree: log.Tree | None,
    signed: log.Checkpoint | None,
    stands: Stands | None,
    auditors: tuple[log.Key, ...],
) -> None:
    tree, origin = needed(tree, "entries"), needed(signed, "checkpoint").origin
    found = told(Liabilities(origin, needed(stands, "replay"), tree.root, auditors), folder, tree)
    leaves = sorted(path for path in folder.files if path.startswith("liabilities/"))
    for path in leaves:
        found.check_leaves(path, folder.read(path, found.leaves_bytes_max(path)))
    check.right(
        "liabilities_are_right",
        days=len(found.proven),
        open=found.open_days,
        leaves=len(leaves),
        attested=found.attested,
        known=found.known,
    )


def the_requirements(check: Check, folder: Folder, tree: log.Tree | None) -> None:
    found = told(Requirements(), folder, tree)
    proposals, payees = len(found.proposals), len(found.payees)
    check.right("requirements_are_right", proposals=proposals, payments=found.payments, payees=payees)


def the_wallets(check: Check, folder: Folder, tree: log.Tree | None) -> None:
    found = told(Wallets(), folder, tree)
    customers, verified = len(found.customers), found.verified()
    check.right("wallets_are_right", customers=customers, verified=verified, moved=found.moved)


def the_book(
    check: Check,
    folder: Folder,
    book: Book | None,
    signed: log.Checkpoint | None,
    manifest: dict[str, Any] | None,
) -> None:
    book, signed, manifest = needed(book, "replay"), needed(signed, "checkpoint"), needed(manifest, "manifest")
    said = folder.read_json("book.json", BOOK_FIELDS)
    number = said["book"] if book.number is None else book.number
    true = {"book": number, "currencies": book.accounts.currencies(), "name": signed.origin.rpartition("/")[2]}
    for name, found in true.items():
        if said[name] != found:
            raise Wrong("book_disagrees", field=name, listed=said[name], found=found)
    if manifest["book"] != number:
        raise Wrong("manifest_disagrees", field="book", listed=manifest["book"], found=number)
    check.right("book_is_right", book=number, name=said["name"], currencies=", ".join(said["currencies"]) or "-")


# Receipts


def the_receipts(
    check: Check, folder: Folder, key: log.Key | None, signed: log.Checkpoint | None, tree: log.Tree | None
) -> None:
    key, signed, tree = needed(key, "key"), needed(signed, "checkpoint"), needed(tree, "entries")
    paths = [path for path in folder.files if path.startswith("receipts/")]
    for path in paths:
        receipt = prove_receipt(folder.read(path, RECEIPT_BYTES_MAX), key, path)
        _check_beginning(receipt.signed, signed, tree, path)
        if tree.rows[0][receipt.index] != log.record_hash(receipt.leaf):
            raise Wrong("receipt_is_of_another_entry", path=path, sequence=receipt.index)
        if path != f"receipts/{receipt.id}.json":
            raise Wrong("receipt_has_another_name", path=path, found=receipt.id)
    check.right("receipts_are_right", receipts=len(paths))


def verdict_of(options: argparse.Namespace) -> Verdict:
    """What is to be said of the path, with what the reader gave. `Unreadable`; `Wrong` of what the reader gave."""
    key = None
    if options.key is not None:
        try:
            key = log.parse_keys("\n".join(each.strip() for each in options.key), "--key")
        except Wrong:
            raise Wrong("key_option_is_malformed") from None
    policy = options.witnesses and read_policy(options.witnesses)
    auditors = tuple(log.parse_key(each.strip(), "--auditor", *log.COSIGNERS) for each in options.auditor)
    if not os.path.isfile(options.path):  # noqa: PTH113 - a Path raises where a folder on the way is closed to us
        authority = options.tsa_cert and read_certificates(options.tsa_cert)
        return verify(options.path, key, policy, auditors, authority)
    if key is None:
        raise Wrong("receipt_needs_a_key")
    return verify_file(options.path, key, policy, auditors)


def main(arguments: list[str] | None = None) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(prog="verify.py", description="Verify an exported book of Ringfence.")
    parser.add_argument("path", type=Path, metavar="FOLDER", help="an exported folder, or one receipt")
    parser.add_argument(
        "--key",
        action="append",
        metavar="VKEY",
        help="the notary's key, as it reached you another way; once for each",
    )
    parser.add_argument(
        "--witnesses", type=Path, metavar="POLICY", help="whose cosignatures you ask for (C2SP tlog-policy)"
    )
    parser.add_argument("--auditor", action="append", default=[], metavar="VKEY", help="a key of an auditor you trust")
    parser.add_argument(
        "--tsa-cert", type=Path, metavar="PEM", help="whose timestamps you ask for: the authority's root (RFC 3161)"
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the sentences")
    options = parser.parse_args(arguments)
    try:
        verdict = verdict_of(options)
    except Wrong as wrong:
        # What cannot be read at all, or is the reader's own: what is wrong in the folder is in the verdict.
        reason = say(options.lang, wrong.name, wrong.facts)
        about = "folder" if isinstance(wrong, Unreadable) else "call"
        if options.json:
            unread = Check(about, valid=False, sentence=wrong.name, facts=wrong.facts)
            print(as_json(Verdict(checks=[unread]), options.lang))
        elif about == "folder":
            print(say(options.lang, "unreadable", {"reason": reason}))
        else:
            parser.error(reason)
        return UNREADABLE
    print(as_json(verdict, options.lang) if options.json else as_text(verdict, options.lang, options.path))
    return VALID if verdict.valid else NOT_VALID


if __name__ == "__main__":
    sys.exit(main())
