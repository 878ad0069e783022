"""What ecgmon costs, beside what others cost, in one run."""
