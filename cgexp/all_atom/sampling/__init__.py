"""Long all-atom sampling in segments, run by any executor; a killed run goes on from the last one."""
