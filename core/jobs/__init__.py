"""What a job is made of: its data, its context, its result, and the jobs that it adds."""
