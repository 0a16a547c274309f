"""Settles projects whose job was lost."""
