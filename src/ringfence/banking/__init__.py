"""Banking answers one question: what does the bank say.

The nouns, in the order in which a day meets them:

- A **statement** (`statement`) is what a bank says happened on one account: an opening balance, the entries, a closing
  balance. It is believed only as a whole and only when it adds up; everything else is refused by name, and the file
  it came in goes to quarantine and posts nothing.
- An **entry** is one line of a statement. It has a key that stays the same however often the file is read again, so
  that importing twice books once.
- A **notification** is what a bank says in the course of the day (camt.054, camt.052). It has no closing balance, so
  nothing proves it whole: it may tell that a payment arrived, and is never a statement.
- `camt` reads ISO 20022 messages, `described_csv` reads any bank's own CSV by a description, and both end in the same
  values behind the same gates. `reading` chooses between them by what a file holds, never by what it is called.
- **Continuity** (`continuity`) is the proof over many statements: each closing balance is the next opening balance.
- `summary` reads a heap of files and says, file by file, what was read or why it was refused.
"""
