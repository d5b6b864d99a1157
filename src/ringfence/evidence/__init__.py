"""Evidence: what a stranger needs to check the book.

The nouns: a *record* is the leaf of one journal row; the *tree* (`tree`) is RFC 6962's over all records of one book; a
*tile* (`tiles`) is 256 hashes of it in a file; a *checkpoint* (`checkpoint`) is the size and root that the notary
signed as a *note* (`note`); a *proof* shows that a record is in a checkpoint's tree, or that an older checkpoint's
tree is the beginning of a newer one's.

The invariant: two checkpoints of one log that were ever signed are consistent with each other, whatever happened
between them: a kill, a full disk, a restored database.

The only way in is the notary: it alone writes tiles and signs.
"""
