"""The named scenarios, by what they are about: `SCENARIOS` of each module."""
