"""Measurements. No test: nothing here fails for being slow."""
