"""What reads foreign bytes, under a fuzzer: `make fuzz`."""
