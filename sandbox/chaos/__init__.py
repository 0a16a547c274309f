"""A whole VidFab under random faults, and a ledger that nothing may be missing from afterwards."""
