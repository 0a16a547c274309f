"""Pictures and clips that are drawn: real files, without anything to buy."""
