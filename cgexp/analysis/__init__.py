"""What is measured of an ensemble, and how far two ensembles are apart; every number with its error."""
