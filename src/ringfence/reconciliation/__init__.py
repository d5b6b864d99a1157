"""Reconciliation: do we and the bank agree, item by item?

The nouns
  movement     a row of our own cashbook of one custodian account (`ledger.entry` of bank:<bank>:<account>)
  entry        a line of the bank's statements of that account (`banking.entry`)
  key          what both have for the same money: the end-to-end id, or the bank's reference
  match        a movement and an entry of one key and one amount; once matched, matched for good
  contra       two lines of one side that undo each other: a correction of ours, a reversal of the bank's
  discrepancy  whatever is left over, on either side, one by one; it has an age, and closes by itself with its match
  run          one reconciliation of one account and day, up to a cut-off in the journal and a statement of the bank
  calendar     the business days, in which ages are counted

The passes, in order
  1  same end-to-end id, same direction, same amount
  2  same bank's reference, same direction, same amount
  3  contra items within a side
  4  same key and direction, another amount: `amount_differs`
  5  the bank has a further entry for what is matched: `duplicate_at_bank`
  6  what is left: `missing_at_bank`, `missing_in_books`
  7  the proof, below; what it cannot explain is `balance_differs`
Amount and date alone match nothing. They make a suggestion beside a discrepancy, for a person.

The invariants
  - Every movement and every entry is matched once, is a contra item, or is a discrepancy: nothing is dropped.
  - bank's closing balance = cashbook's closing balance + what the discrepancies make, exactly. The database checks it.
  - A reconciliation posts no money and creates none of the records that it tests.
  - Nobody closes a discrepancy by hand: a named person may accept it, with a reason, and it stays in the proof.
  - The same inputs again change nothing.

The proof in figures (domain.md, 2): cashbook 700, bank 720, and the bank has a receipt of 20 that we have not:

>>> from datetime import date
>>> from ringfence.reconciliation.matching import Entry, classify
>>> rest = classify([], [Entry("k1", 2000, date(2026, 3, 2), bank_reference="R1")])
>>> [(each.kind, each.difference) for each in rest.findings]
[('missing_in_books', 2000)]
>>> 70000 + sum(each.difference for each in rest.findings)
72000

The only way in is `runs.reconcile`; `discrepancies` reads what it found, `master` tests the pool against its parts.
"""
