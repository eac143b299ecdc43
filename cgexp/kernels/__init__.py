"""Fast ways to compute energies and forces, each compared by a test with the plain one."""
