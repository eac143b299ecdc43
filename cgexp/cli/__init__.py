"""The command line: verbs (subcommands like ``run``), exit codes. No torch is imported before the config is checked."""
