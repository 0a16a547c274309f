"""What the outside may turn: settings and log set-up."""
