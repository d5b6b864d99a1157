"""A customer's own proofs: the days that are proven, and the statement of a day, which always carries its proof.

There is no statement without one, so whoever fetches a statement does not tell that it will be checked.
"""
