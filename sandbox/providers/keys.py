"""The API keys that the stand-ins accept, and no others."""

BYTEPLUS = "sandbox-byteplus-key"
SHOTSTACK = "sandbox-shotstack-key"
WAVESPEED = "sandbox-wavespeed-key"
GOOGLE = "sandbox-google-key"
