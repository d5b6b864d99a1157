"""Vault: what is personal is kept in cipher, and who looked at it stands in the journal.

The nouns
  field         one sensitive value of one row: a customer's identity number, phone or account, a payer's account, the
                bytes of a payment; known by its place (`custody.customer.phone`) and its row (the customer's id)
  grade         how sensitive it is, C1 to C3 of JR/T 0171-2020: what is encrypted, what is masked, what is never kept
  field key     encrypts the fields of one owner (a customer, or the book itself for the bank's paper): the data key
  wrapping key  encrypts field keys and lies with a provider: a file of the installation, or a key server; the
                key-encryption key
  index         keyed digest of a normalised value: finds the row without reading one
  algorithm     preferred, accepted or forbidden, by one table (`algorithms.toml`)
  reveal        somebody saw a whole value, for a reason

The invariants
  - The database holds no sensitive value in the clear: a field is a ciphertext, a mask of it, and where a look-up needs
    one an index.
  - A ciphertext belongs to one book, place and row, and opens nowhere else.
  - Nothing is revealed to a person without an event in the journal that says who, which field and why.
  - A retired key is used by no row; the database counts before it retires one, and its bytes are gone then.
  - To destroy a customer's field keys takes a proposal that as many people approved as the policy says; after that
    nobody reads the fields again, and no new field of that owner is kept.

The ways in: `Vault.keep` gives another package the statement for its unit; `Vault.open` and `Vault.find` read;
`reveal.reveal` shows a person one value; `rotation.rotate` replaces keys while others write. The format of a ciphertext
stands in docs/reference/vault-format.md.
"""
