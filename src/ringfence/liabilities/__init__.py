"""Liabilities: is my money in the total, and is the total matched by the bank?

The nouns
  holder       whoever has an account of client money: `customer:<id>`
  leaf         a holder's id, amount and nonce, of one closed day and currency (`tree`)
  root, total  what all leaves come to; the total and what is unallocated are the requirement of the day's test
  proof        one holder's leaf and its path to the root, in a file that is verified standing alone
  pack         all leaves, for the auditor, in an export of the book
  attestation  the auditor's signature over root, total and count

The invariants
  - Every holder of the journal is in the tree once, with all that is his; what somebody owes takes nothing from others.
  - Root, total, the bank's statements and the safeguarding test are said in one event, which the notary compares with
    the events that it names, and signs.
  - Who is erased takes his secret along: nobody learns from a root that was published what he had.
"""
