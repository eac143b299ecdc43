"""Ready scripts that ``cgexp export as=ase`` and ``as=openmm`` lay beside a bundle."""
