"""Atoms on a C-alpha trace, accepted or rejected with a reason."""
