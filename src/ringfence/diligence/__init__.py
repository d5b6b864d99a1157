"""Diligence: who is the customer, and how do we know?

The nouns
  file         what is known of one customer in one role, and where that stands: applied, documents, screened, verified,
               restricted, closed (`lifecycle.py`)
  step         one event about a file in the journal; steps are numbered from 1 without a gap
  party        the customer, and of a firm everybody who owns or controls it, down to natural persons
  document     a paper that was seen: its kind, its expiry, the digest of its scan; its number is in the vault
  provider     who says whether a name and a number belong together: a register, or a company that asks registers
  screening    the names of a file against the sanctions lists; a likeness is a potential match until a person judges it
  tier         what a customer may have and pay, for how much evidence: data of the regime's profile (`profiles.toml`)
  review       verification does not last: it lapses with the review of its risk class or the first document to expire

The invariants
  - Without a verified file there is no wallet: verification opens its accounts, in the append that says so.
  - A restricted customer pays nothing; whether money may still come is data of the profile.
  - One person or firm has one file in a role that is not closed, whatever two registrations do at the same moment.
  - Above what evidence alone may decide, people decide, and nobody who took a document of the file is among them.
  - The journal has every step and no personal data. Who is verified can be found there without believing a table.

The only way in: `applying.opened_file`, `evidence.*`, `deciding.*`, and `advancing.advance_all` for what nobody has to
ask for. `standing.require` and `proof.require_verified` tell others who may pay and receive.
"""
