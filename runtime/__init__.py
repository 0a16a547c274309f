"""The worker process: start and stop, dispatch of jobs, endpoints, alerts, reconciler."""
