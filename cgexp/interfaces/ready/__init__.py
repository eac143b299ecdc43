"""Ready scripts that ``cgexp export as=ase``, ``as=openmm`` and so on put beside a bundle."""
