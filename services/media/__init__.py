"""ffmpeg in its cage, and what is made with it: thumbnails, descriptions, films."""
