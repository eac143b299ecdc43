"""Configs: composed by Hydra from conf/, checked, identified by a hash, launched. Imports no torch."""
