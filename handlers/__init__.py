"""One file per job name: its data, its result, one async function."""
