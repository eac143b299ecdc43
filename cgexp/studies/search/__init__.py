"""Searches for the best settings within a space of them, by Optuna."""
