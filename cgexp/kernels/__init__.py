"""Fast ways to compute energies and forces, each held by a test to the plain one."""
