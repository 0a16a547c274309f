"""Where Google's API is and how it takes its key: for who talks to it or downloads from it."""

API_HOST = "generativelanguage.googleapis.com"
KEY_HEADER = "x-goog-api-key"
