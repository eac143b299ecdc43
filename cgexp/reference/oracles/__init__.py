"""What labels configurations with forces: exact ones for toys, all-atom simulations for peptides."""
