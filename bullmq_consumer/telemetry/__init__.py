"""Spans of jobs, and the seam to whoever collects them."""
