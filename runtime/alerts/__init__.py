"""Alerts from the worker to the channels: what is summed up, and at what pace it is sent."""
