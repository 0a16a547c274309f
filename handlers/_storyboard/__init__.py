"""Parts of the job that makes storyboards."""
