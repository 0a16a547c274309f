"""A queue as an operator looks at it, and what is changed in it by hand."""
