"""Handlers in processes of their own, which may be killed."""
