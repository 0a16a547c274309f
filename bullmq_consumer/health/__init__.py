"""Whether the worker, its event loop and its machine are well, and what runs now."""
