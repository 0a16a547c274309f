"""Commands that show the queue, or change it."""
