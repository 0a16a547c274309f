"""Between the sockets and the routes: records, delays, faults and cut connections."""
