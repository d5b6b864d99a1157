"""Ledger: what happened to the money?

The nouns
  book      one custody programme; it has one journal
  journal   rows numbered from 0 without a gap, append only; whatever else the ledger shows is read from it
  row       a transfer, a pending transfer, its post, void or expiry, a correction, an account opened or closed, an
            event, or a refusal
  account   has a currency, a normal side, perhaps a minimum and a maximum, an owner, and a pool (whose money it is)
  chain     rows that happen together or not at all
  batch     rows that are appended together, in columns; each gets a result by name
  entry     what a movement did to one account, with the balance after: read from the journal, a little later

The invariants
  - Every transfer debits one account and credits another with one amount, so every book sums to zero per currency.
  - Rows have effect in the order of their sequence, as if one after the other, whoever wrote them.
  - An id has one answer for ever: the same request again is answered alike, another request with it is refused.
  - A pending transfer is resolved once; a transfer is corrected once; a balance keeps its account's limits, which only
    an approved proposal changes.
  - Nothing enters a closed period; a guarded pool stays covered;
    a monitor turns in the append that turns it.
  - Nothing is changed or deleted, and the clock of a book does not go back.

The only way in is `Journal.append` (compare-and-append), or `Writer.submit`, which does it for many threads at once.
The rules are one pure function, `rules.apply`; the notary and every restore call the same one. They stand on one page,
docs/reference/ledger-rules.md.

The rooms, in the order in which a row goes through them
  model, standing              the nouns: row, batch, account; limits, periods, guards, monitors
  posting, crossing            rows over HTTP; money between two books
  writer, journal, answers     group commit; compare-and-append; one answer for ever
  rules, walk, monitors        what a row does, in columns and row by row
  balances, snapshot           the state that they do it to, and its bytes
  encoding, storage, partitions   the bytes of a row; into PostgreSQL and out; its parts, sealed and archived
  entries, reading             what the journal did to accounts, a little later; questions to a book
  bench                        all of this beside its references

A worked example, on a balance sheet in memory:

>>> from uuid import UUID
>>> import numpy as np
>>> from ringfence.ledger.model import Account, Kind, Line, Result, batch
>>> from ringfence.ledger.balances import Balances, add_account
>>> from ringfence.ledger.rules import apply
>>> book = Balances()
>>> _ = add_account(book, Account(1, "bank:main", "EUR", "debit", None, None, "bank", "client"))
>>> _ = add_account(book, Account(2, "client:alice", "EUR", "credit", 0, None, "customer:alice", "client"))
>>> deposit = Line(Kind.TRANSFER, UUID(int=1), debit_account=1, credit_account=2, amount=5000)
>>> payout = Line(Kind.TRANSFER, UUID(int=2), debit_account=2, credit_account=1, amount=5001)
>>> done = apply(book, batch([[deposit], [payout]]), np.zeros(2, np.int64), {})
>>> [Result(each).word for each in done.results]
['posted', 'balance_must_not_fall_below_its_minimum']
>>> book.balance(2)
5000
"""
