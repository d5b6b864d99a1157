"""Payees: to which accounts may a customer be paid, and from when on without waiting?

The nouns
  payee        an account of the customer's own at another bank (提现 goes to a bound account of the same name); the
               account is in the vault, its blind index finds it, the journal knows it by hash and fingerprint
  registered   the payee that a customer is registered with; it comes with the customer and never waits
  new payee    any other, for so many hours after the notary first signed its PAYEE_ADDED as the policy says
  cooling off  a withdrawal that would let more go to a new payee than the policy allows waits, its money held, with a
               warning and a way to cancel it (冷静期)

The invariants
  - A withdrawal goes to a payee of its customer, and to nothing else.
  - A new payee is an act of its own, `new_payee`: whoever proposes it does not approve it.
  - A payee's age is the journal's and the notary's; no payment makes it older, and what counts against the limit is the
    sum of all that was let go to it, so that neither a small payment first nor many small ones are a way round.
  - The gateway finds all of this by itself (`banking.clearance`); the core's word for it is not enough.
  - One person removes a payee, at once; whatever waits for it is cancelled.

The ways in: `register.propose`, `register.add`, `register.remove`; `waiting.wait_of` tells how long an order waits.
"""
