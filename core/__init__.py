"""What all of VidFab's code shares: errors, jobs, storyboards, films, paths. No I/O."""
