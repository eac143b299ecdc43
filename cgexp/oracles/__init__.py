"""Oracles: forces of given configurations, exact, from a teacher, or from all atoms."""
