"""Langevin dynamics of a potential: many replicas in one batch, resumable, failed ones frozen."""
