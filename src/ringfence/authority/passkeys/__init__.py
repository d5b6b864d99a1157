"""Passkeys: a person signs in, and signs what is to move, with a key pair in the own device (W3C Web Authentication).

The nouns
  relying party  what a key is for: a host name. Keys of one name are of no use to another, so a copied page gets
                 nothing
  registration   what the browser and the device said when a key pair was made; kept raw
  assertion      what they say when it is used: client data, authenticator data and a signature over both
  challenge      what the signature is for. To sign in: 40 bytes of ours that are good once and for five minutes. To
                 approve: SHA-256 of exactly the proposal's bytes under a tag, so that another amount or payee is
                 another challenge (dynamic linking: Commission Delegated Regulation (EU) 2018/389, Article 5)

The invariants
  - A key is enrolled by the proposal of the person whose it is, which somebody else approves (act `key_enrolment`); it
    signs in at once, and approves after as many hours as the policy says.
  - The user is verified by the device (PIN, finger, face), on a page of ours that stands in no other page.
  - The database verifies each signature itself (`authority.es256_verifies`). Whoever has taken the core opens no
    session and signs no approval with it. The gateway, which believes no database column, verifies once more in
    Python, by the key that the journal says was enrolled.
  - A counter that goes back says that a key was copied: refused, and journaled as an alarm.

The ways in: `keys.propose_key`, `keys.revoke`; `signing.sign_in`; `proposals.approve` with an assertion.
"""
