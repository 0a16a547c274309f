"""The HTTP endpoints for supervisors, monitoring and operators, and where they listen."""
