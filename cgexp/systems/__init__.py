"""What is modelled: toy potentials, peptides, other molecules."""
