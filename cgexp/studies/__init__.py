"""Studies: what an experiment of experiments/ runs, its table, its page, and the numbers that it checks."""
