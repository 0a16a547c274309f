"""Host and key header of Google's API."""

API_HOST = "generativelanguage.googleapis.com"
KEY_HEADER = "x-goog-api-key"
