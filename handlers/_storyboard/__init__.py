"""Parts of the job that makes storyboards, and what it has in common with their downloads."""
