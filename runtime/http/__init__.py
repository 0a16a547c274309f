"""The HTTP endpoints for supervisors, monitoring and operators, and their server."""
