"""Shared by all of VidFab's code: errors, jobs, storyboards, films, paths. No I/O."""
