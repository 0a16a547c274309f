"""From a script's shots and characters to the prompt of each picture."""
