"""The machine that takes jobs from the queue and gives back results."""
