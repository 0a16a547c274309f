"""The machine below the public face: takes jobs, runs them, writes their ends."""
