"""A witness: somebody else, who has seen every tree of a log and says that each continued the one before.

A log that shows one history to the bank and another to the auditor keeps every rule within each. It is found out when
both ask for the signature of the same witness, for a witness signs no tree that is not a continuation of the last it
signed. So a witness belongs on a machine of somebody else: the custodian bank, the auditor, the regulator. It is one
small program, `ringfence witness serve`, without a database; what it must never forget is one file a log.

    requests    what is asked and answered on the wire (C2SP tlog-witness v1.0.0)
    state       what a witness has signed last, by log: durable before anybody hears of it
    witness     the rules, in declared order: origin, signature, size, what was signed last, proof
    server      the same by HTTP
    asking      the other side: a log's notary asks its witnesses, and keeps what they sign
    verbs       `ringfence witness`

The notary imports `asking`; nothing else of ours imports anything of this package.
"""
