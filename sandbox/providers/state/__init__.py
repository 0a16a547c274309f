"""What the stand-ins know: orders, what was asked and paid, faults to come."""
