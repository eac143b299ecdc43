"""Long all-atom sampling in segments that any executor runs and that a kill cannot spoil."""
