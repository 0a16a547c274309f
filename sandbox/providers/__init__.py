"""Stand-ins for the vendors: their documented HTTP, with pictures and clips that are real files."""
