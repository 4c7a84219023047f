"""What may enter a race: one workload a file, and the registry that finds them by name."""
