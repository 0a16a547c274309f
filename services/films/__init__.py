"""Final videos rendered by Shotstack."""
