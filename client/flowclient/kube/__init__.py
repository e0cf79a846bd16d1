"""`kubectl cflow`: flows of a cluster, through kubectl itself, with the caller's own rights and nothing else."""
