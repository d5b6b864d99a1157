"""What the notary may find, and how it tells one from the other. It signs over none of these; each is an alarm.

    journal_is_older_than_log   the head is before what was signed: an old database was restored, or its end was cut off
    journal_was_replaced        the last signed row has another id now: an old database was restored and went on, or its
                                end was rewritten; ids differ from the first such row on, so bisection finds it
    row_was_edited              a signed row has other content, while the last signed row is the one it was
    row_is_missing              the head counts a row that is not there
    row_is_phantom              a row is there that the head does not count, or is there twice
    table_contradicts_log (`tables`)
                                a table that follows the journal (accounts, entries, totals, recorded checkpoints) does
                                not say what follows from the signed rows
    row_breaks_rule, row_is_malformed, row_goes_back_in_time, id_is_repeated (`replay`)
                                a new row that no writer would have let in
    row_lacks_authorisation (`authorisation`)
                                a new limit, closed period, guard or monitor that people did not allow
    row_contradicts_its_agreement (`ringfence.escrow`)
                                a new row about money in escrow that its agreement does not bear out
    row_contradicts_diligence (`ringfence.diligence`)
                                a new row that opens an account for, or moves money of, a customer who is not verified,
                                is restricted, or would have more than the tier allows
    row_says_what_nobody_did (`authorisation`)
                                a new event of people who did not do that, or a payment that they did not approve
    log_file_would_change (`tiles`)
                                rows that were read, and not signed before a kill, are others now
    log_file_is_corrupted, log_file_is_missing (`tiles`, `lookback`)
                                the log itself was touched, also a checkpoint or partial tile of the past
    log_is_older_than_signed, checkpoint_was_edited
                                the log and evidence.checkpoint do not agree on what was signed

A movement that was inserted before it could be signed, keeps every rule and is counted by the head is not told from one
that the core appended: that takes the authorisations of the movement.

    witness_refuses, witness_has_seen_another_tree, witness_answers_nonsense, witness_lags (`witness.asking`)
                                somebody else does not say of this log what it says of itself, or says nothing; the
                                notary goes on signing, and large payouts wait

    timestamp_is_missing, timestamp_is_of_another_request and the like (`timestamping`)
                                a day without a timestamp, or one that is not what was asked for; nothing waits

A snapshot that does not fit (`snapshot`) is no finding: the notary puts it aside and replays its log instead.
"""

import json
from datetime import datetime

from ringfence.database.connection import Connection
from ringfence.evidence.queries import QUERIES
from ringfence.refusal import Fault, Refused, refusal

JOURNAL_IS_OLDER_THAN_LOG = refusal(
    "journal_is_older_than_log",
    Fault.STATE,
    en="The journal has {head} rows, but {signed} were signed: an older database was restored, or the end was cut off.",
    zh="日志只有 {head} 行，而已签名 {signed} 行：恢复了旧数据库，或末尾被截去。",
)
JOURNAL_WAS_REPLACED = refusal(
    "journal_was_replaced",
    Fault.STATE,
    en="From row {sequence} on the journal is another than the {signed} rows that were signed: an older database was"
    " restored and continued, or its end was rewritten.",
    zh="自第 {sequence} 行起，日志与已签名的 {signed} 行不同：恢复旧数据库后继续写入，或末尾被改写。",
)
ROW_WAS_EDITED = refusal(
    "row_was_edited",
    Fault.STATE,
    en="Row {sequence} of the journal was changed after it was signed: {fields}.",
    zh="日志第 {sequence} 行在签名后被改动：{fields}。",
)
ROW_IS_MISSING = refusal(
    "row_is_missing",
    Fault.STATE,
    en="Row {sequence} is missing from the journal, although the book counts it.",
    zh="日志缺少第 {sequence} 行，而账簿计有此行。",
)
ROW_IS_PHANTOM = refusal(
    "row_is_phantom",
    Fault.STATE,
    en="Row {sequence} stands in the journal, but the book does not count it.",
    zh="日志有第 {sequence} 行，而账簿未计此行。",
)
ID_IS_REPEATED = refusal(
    "id_is_repeated",
    Fault.STATE,
    en="Row {sequence} of the journal has the id {id} of row {earlier}. It is not signed.",
    zh="日志第 {sequence} 行的标识 {id} 与第 {earlier} 行相同。不予签名。",
)
JOURNAL_IS_UNREADABLE = refusal(
    "journal_is_unreadable",
    Fault.STATE,
    en="The journal rows from {first} to {last} do not have the form of the journal's table.",
    zh="日志第 {first} 至 {last} 行不符合日志表的形式。",
)
LOG_IS_OLDER_THAN_SIGNED = refusal(
    "log_is_older_than_signed",
    Fault.STATE,
    en="The log ends at {size} rows, but {recorded} were signed: its folder was restored from an older copy.",
    zh="证据日志止于 {size} 行，而已签名 {recorded} 行：其文件夹恢复自旧副本。",
)
CHECKPOINT_WAS_EDITED = refusal(
    "checkpoint_was_edited",
    Fault.STATE,
    en="The checkpoint of {size} rows in the database is not the one in the log.",
    zh="数据库中 {size} 行的检查点与证据日志中的不同。",
)
LOG_IS_IN_USE = refusal(
    "log_is_in_use",
    Fault.STATE,
    en="Another notary is at work on {path}.",
    zh="另有公证进程正在使用 {path}。",
)


def raise_alarm(connection: Connection, book: int, signed_size: int, found: Refused, at: datetime) -> None:
    """Note a finding for people, in role notary; the same at the same size once."""
    facts = json.dumps(found.as_json()["facts"])
    alarm = {"book": book, "size": signed_size, "name": found.name, "facts": facts, "at": at}
    with connection.transaction():
        connection.execute(QUERIES.raise_alarm, alarm)
