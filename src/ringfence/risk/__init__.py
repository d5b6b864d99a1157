"""Risk: should this be happening?

The nouns
  facts      what an order asks: who, how much, to whom, when
  feature    what the journal remembers of a customer: how often and how much in a window, which payees were paid
  rule       a limit with its outcome, as data; one set of rules and one regime profile make a rule book
  list       a sanctions list file, known by its SHA-256; screening finds the listed names that a name is like
  decision   allow, hold or refuse, with a reason for every rule that found something
  ruling     a decision with its line for the journal, and its place kept in the features until the line is there

The invariants
  - Every order gets a decision before money moves, and the decision stands beside the order in the journal.
  - The decision follows from the facts, the features, the lists and the rules alone, and says which lists and rules.
  - Features are a reader of the journal with a cache: read again from the start, they are the same.
  - However many orders come at once, each is judged as if those before it had been placed.
  - No name and no account number enters the journal from here.

The only way in is `Desk.ruling`; the store of features is kept up with the journal by `desk.follow`.
"""
