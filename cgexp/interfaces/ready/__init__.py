"""Ready scripts that ``cgexp export as=ase`` and ``as=openmm`` put beside a bundle."""
