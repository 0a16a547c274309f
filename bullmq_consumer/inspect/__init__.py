"""Views of a queue for operators, and manual changes to it."""
