"""Takeover: is the book we are handed the book it claims to be?

A platform that comes to Ringfence has a bank or a ledger already, and it hands over what it has: tables, exported by a
program that nobody can ask. The source says what moved, and what every balance was afterwards. The one is proven by the
other, movement by movement, before anything is relied upon.

The nouns
  source      the tables as they were read (`berka`), strictly, or a refusal by file and line
  movement    a row of the source: an amount, and the balance of its account after it
  chain       the movements of an account in the order that their balances reveal (`day_order`)
  difference  what has to be added between two movements for the second balance to follow from the first
  rounding    a difference of one unit of the source's rounding, where a book kept exactly could show these figures
  unexplained a difference that nothing explains: a fact about the source, by account, date and amount
  proof       all chains and differences; what they add up to is every running balance of the source (`proof`)
  plan        the lines to post, in columns and in their order

The invariant: movements and differences, added up from zero, are the source's running balance after every movement. A
difference is never absorbed and never forced: it is a line of its own, against an account of its own.

The only way in is `load.take_over`: read, prove, post, and prove the book by the book's own statements. Its pure half
is `berka.read`, `proof.prove` and `proof.plan`. The same source again changes nothing.
"""
