"""The process around the worker: stop signals, and the ready message to PM2."""
