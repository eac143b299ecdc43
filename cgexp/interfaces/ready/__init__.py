"""Ready scripts that ``cgexp export as=ase``, ``as=openmm`` and ``as=lammps`` put beside a bundle."""
