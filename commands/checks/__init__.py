"""What `check` looks at: one module an area. A check returns what it found."""
