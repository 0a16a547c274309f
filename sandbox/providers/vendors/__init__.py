"""The vendors themselves: their routes, what they take, and how they refuse."""
