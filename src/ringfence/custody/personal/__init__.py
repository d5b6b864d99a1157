"""What is personal of customers: found by a value that nobody reads, and erased when enough people say so.

The values themselves are the vault's; `customers.register` puts them there.
"""
