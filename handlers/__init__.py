"""One file a job name: its data, its result, one async function."""
