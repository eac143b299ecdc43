"""Models for other programs: bundles that stand alone, for ASE, OpenMM and LAMMPS; files of molecular viewers."""
