"""Sandboxed ffmpeg, and what uses it: thumbnails, descriptions, films."""
