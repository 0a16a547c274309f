"""The checks of `check`: one module per area. A check returns its findings."""
