"""Evidence: what a stranger needs to check the book.

The nouns
  record      the leaf of one journal row (leaf v1 of docs/reference/evidence-format.md)
  tree        RFC 6962's Merkle tree over all records of one book (`tree`)
  tile        256 hashes of it in a file; a bundle is 256 records in a file (`tiles`)
  checkpoint  the size and root of the tree, signed by the notary as a note (`checkpoint`, `note`, `keys`)
  proof       shows that a record is in a checkpoint's tree, or that an older tree is the beginning of a newer one
  finding     what the notary would not sign over: an alarm (`findings`, `replay`, `authorisation`)
  snapshot    what the notary's replay came to at a checkpoint, for its next start (`snapshot`)
  export      the folder that a stranger's verifier reads (`export`)

The invariant: any two checkpoints of one log that were ever signed are consistent with each other, and every row that
they cover keeps the rules of the book, whatever happened in between: a kill, a full disk, a restored database, somebody
with every right in it.

The only way in is the notary (`notary`): it alone writes the log and signs. The others ask `reading` how far it is.
"""
