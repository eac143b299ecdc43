"""From forces on atoms to forces on beads: linear maps, and whether they are biased."""
