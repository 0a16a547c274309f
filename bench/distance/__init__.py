"""Work at a distance: the places, what is done there, and how many trips a job takes."""
