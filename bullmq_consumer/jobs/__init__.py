"""Registered handlers, and what they get: jobs of one queue by name."""
