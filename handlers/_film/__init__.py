"""Two ways to one film: by ffmpeg on this machine, and by Shotstack."""
