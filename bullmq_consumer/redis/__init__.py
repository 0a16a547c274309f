"""The connections to Redis: clients, TLS, the wait for it at the start."""
