"""The connections to Redis: clients, TLS, the wait for Redis at start-up."""
