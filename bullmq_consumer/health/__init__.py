"""The health of the worker, its event loop and its machine, and the running attempts."""
