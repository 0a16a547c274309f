"""Commands that look at the queue, or change what is in it."""
