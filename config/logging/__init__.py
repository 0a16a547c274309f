"""The log: its lines, who writes them, and the secrets that never stand in it."""
