"""What is modelled: peptides and toy potentials."""
