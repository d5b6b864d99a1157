"""Custody: what business was done, under which rule?

The nouns
  customer           somebody whose money is kept; has two accounts in the ledger, available and frozen
  custodian account  where the money lies: our cashbook of it in the ledger, and the bank's own number
  order              one piece of business: a deposit, a withdrawal, a freeze, a release, a transfer, a fee, ...
  lifecycle          the states that an order of a kind may take, and what takes it from one to the next: one table
  day                the business day under which things are booked: opened and closed, not the wall clock
  receipt            money that the bank says has arrived; it finds its customer or stays unallocated

The invariants
  - Every order gets a risk decision before money moves, and the decision stands beside the order in the journal.
  - An order, its money and its change of state are one append: all of it is there, or none.
  - Money is credited on the bank's word only, and what has no owner is a liability of its own, never income.
  - A withdrawal holds the money first; it is posted when the bank says it is paid, released when the bank says it will
    not be, and neither on a time-out.
  - Fees are taken from available money only; frozen money pays nothing but what it was frozen for.

The only way in: `customers.register`, `orders.place_*`, `settlement.take_statuses` and `take_advices`, `days.open_day`.
"""
