"""Repairs projects whose job was lost."""
