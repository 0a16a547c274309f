"""Whether the stand-ins still answer as the vendors do: the same requests to both."""
