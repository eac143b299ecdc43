"""Published data sets, read from files that the user has downloaded; their units and temperature are tested."""
