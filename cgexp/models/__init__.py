"""The energy networks and what they are made of; a potential is a network plus a prior."""
