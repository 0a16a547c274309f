"""Two ways to make a film: ffmpeg on this machine, and Shotstack."""
