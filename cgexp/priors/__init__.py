"""The energy that is not learned: terms of internal coordinates, fitted to the data once."""
