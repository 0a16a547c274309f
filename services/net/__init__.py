"""HTTP for all services: clients, retries, circuits, and guarded downloads."""
