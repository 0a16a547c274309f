"""The Lua of this worker's own."""
