"""Safeguarding: is all of it there, apart, and spread?

The nouns
  requirement    what must be there: for every customer what we owe him, and never less than nothing; and the receipts
                 that nobody has claimed or that our books do not have yet. Built bottom-up; one customer's debt pays
                 nobody else
  resource       what is there: the bank's own closing balances of the client accounts, and what is named as in transit
  shortfall      what the resource lacks; paid in by the end of the day on which it is found
  excess         what it has too much; drawn out, fees due first
  concentration  how much of it lies at each bank
  D+1            what must lie in the accounts themselves, because it is not insured nor still on its way in
  cut-off        one row of the journal: everything before it counts, on our side and in the reconciliation alike
  test           an assessment that was journaled (SAFEGUARDING_TESTED), with its figures and its cut-off
  position       the same question about now: live balances, the bank's last closing and what it told since

The invariants
  - The bank's side of a test is the bank's own figure of that day, reconciled item by item; the cashbook stands beside.
  - A positive movement that the bank does not show counts only if the bank has announced it for a later day.
  - A day is closed only after every statement has come, every account is reconciled and every currency tested.
  - The same inputs again change nothing.

The worked figures (domain.md, 2): A 500, B 300, C -20, unallocated 40; bank 700 and 100 in transit:

>>> from ringfence.safeguarding.formulas import requirement, total_test
>>> needed = requirement([500, 300, -20], unallocated=40)
>>> needed.total, needed.negative
(840, -20)
>>> total_test(needed.total, bank=700, in_transit=100).difference
-40

The way in: `day.close_day` at the end of a day, `position.live_position` at any time, `assessment.assess` for a day
that is reconciled, and `formulas` for the arithmetic of each regime, pure.
"""
