"""Models for other programs: bundles that stand alone, and their use from ASE and OpenMM."""
