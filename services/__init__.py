"""The outside world: one module a vendor. Nothing here knows of jobs or BullMQ."""
