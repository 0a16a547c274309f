"""The next iteration of repeatable jobs and job schedulers, as Node's worker makes it."""
