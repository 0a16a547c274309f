"""This package's own Lua scripts, and those that are prepended to the library's."""
