"""The project's tables, one module a table, and the client for rows and files."""
