"""What stands over a book, changed by people: limits of an account, closed periods, guarded pools, monitors.

Each change is a row of the journal (kinds 9 to 12, `ringfence.ledger.standing`). A proposal holds the row's own
canonical bytes in its fact `row`, and beside it the same in words that a person can read; what people approve is so
exactly what the journal will say. When the proposal is complete, the core writes the row once, in the append that
spends the proposal, and the database compares the bytes. The notary asks again before it signs (`verification`).

A pool's first guard and a monitor under a name that is not in use need nobody's approval: they take nothing away. Their
ids follow from the name, so that two people who set the same name at once cannot both succeed.

The ways in: `acts.propose_*`, `acts.set_monitor`, `acts.carry_out_all`; `reading` for what stands now.
"""
