"""What makes a worker lose nothing: locks, jobs in flight, writes that outlast an outage."""
