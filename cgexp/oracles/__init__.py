"""Oracles: forces of given configurations, exact, from a teacher (a trained model), or from all-atom simulation."""
