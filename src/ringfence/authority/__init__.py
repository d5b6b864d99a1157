"""Authority: who may do this, and did they?

The nouns
  person     somebody of the staff, known by a login word; has roles; everything else about a person is elsewhere
  role       treasurer (makes orders), approver (checks them), risk_officer, auditor (reads), system_admin,
             security_admin; who holds one of the last three holds no other, who makes payments checks none (`roles`)
  session    a person who signed in, by a passkey, or by a password and perhaps a code; a random token of which only
             the SHA-256 is kept
  client     a program of the platform, with scopes and a bearer token `rf_…`, or keys that it signs with (`signing`)
  policy     versioned rules: how many people of which roles must approve an act, by amount and currency
  proposal   the canonical bytes of an act that needs approval, and their SHA-256
  approval   a person's yes or no to exactly those bytes, perhaps signed by a passkey
  course     something that a role requires to have been learnt not too long ago (`training`)

The invariants
  - Nobody approves what he made, and nobody counts twice: people are counted, not keys.
  - A proposal that is complete was approved by as many people, of such roles, as the policy in force said when it was
    made. The database computes both from the bytes, and refuses everything else by name.
  - The core cannot speak for a person: a session opens only by a password, code or passkey that the database itself
    verifies, and maker and approver are found by the token's hash, not by a name that the core gives.
  - Every change stands in the journal in the same append, and the database checks that it says what happens.
  - Nobody gains a role by one person's will: `person_change` and `policy_change` are acts like a payout. To take power
    away (deactivate, revoke, reject) one person is enough.

The ways in: `people.found` for the first people of a book; `door.sign_in`; `proposals.draft` for another package's
unit; `proposals.approve` and `reject`. The gateway, which trusts no state column, counts again with
`verification.verify`.
"""
