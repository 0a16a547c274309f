"""Whether vendors serve this account: questions that buy nothing, and tables of their answers."""
