"""Sanitises untrusted parts of a job's hash: fields, JSON and text."""
