"""A package of a user's own, which is only on the path: each kind of part once."""
