"""All-atom peptides: structures, force fields, sampling, force maps, back-mapping. Only this folder imports OpenMM."""
