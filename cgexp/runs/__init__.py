"""Runs: stages done, skipped or resumed; their folders, their results and studies of many."""
