"""Alerts from the worker to the channels: grouped, and sent at each channel's pace."""
