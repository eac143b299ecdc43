"""Studies: what an experiment of experiments/ runs, its table, its page and its guarded numbers."""
