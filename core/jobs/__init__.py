"""The parts of a job: its data, context and result, and the jobs that it adds."""
