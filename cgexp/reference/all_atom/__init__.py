"""All-atom peptides in OpenMM: structures, force fields, platforms, and files of other programs."""
