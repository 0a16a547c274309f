"""The parts that prevent loss: locks, jobs in flight, durable writes, orphans."""
