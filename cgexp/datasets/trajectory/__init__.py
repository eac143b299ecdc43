"""Trajectories of your own: atoms named, beads put on them, forces mapped, and the whole put to the test."""
