"""Escrow: money that waits for a condition (担保交易). The smart contract, done soberly.

The nouns
  agreement   who pays whom how much, and when: one document in canonical bytes, put into the journal whole
  tranche     a part of the money with conditions of its own; its money is held for its payees, an order for each
  condition   data over a closed vocabulary of versioned pure functions (`conditions`); nobody's code is run
  party       who may say something: a person, a program or a customer, under a name in the agreement
  fact        what a party said in the journal: a milestone approved, a claim opened, a claim settled
  trace       what became of a condition and of each of its parts, and which row of the journal decided it

The invariants
  - The money is held in the ledger, from the payer's available money, as long as the agreement lasts: it stays the
    payer's client money and counts in the requirement until it is released.
  - What people sign is the document's SHA-256, and the document never changes; so no condition is exchanged afterwards.
  - A tranche is released only while its condition is true by the facts before that row, returned only while its return
    is true, and never both. The database lets each happen once and only on the facts that were looked at; the notary
    and a stranger's verifier evaluate again and name a row for which it was not true.
  - A fact is said by who is named for it, and counts once. The core cannot speak for anybody: the database finds the
    speaker by a token.

The ways in: `agreements.propose`, `decide`, `withdraw`; `saying.approve_milestone`, `open_claim`, `settle_claim`;
`releasing.release`, `give_back` and `turn`, which the core's rounds call. Why it is a thing of its own that places
orders: docs/decisions/0029-conditional-release.md. A worked example: docs/explain/escrow.md.
"""
