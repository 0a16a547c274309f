"""The Lua of this worker's own, and what it puts in front of the library's."""
