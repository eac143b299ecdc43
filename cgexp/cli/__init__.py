"""The command line: verbs, help, exit codes. No module imports torch before a config has been checked."""
