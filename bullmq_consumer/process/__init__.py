"""The process around the worker: stop signals, and the word to PM2."""
