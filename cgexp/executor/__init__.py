"""Where units of work run: this process, local processes, workers of Dask, jobs of SLURM; same numbers on all."""
