"""Data sets, all-atom sampling, force maps, back-mapping, oracles. Only this room imports OpenMM."""
