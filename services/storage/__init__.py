"""Uploads to Supabase's object storage that run while the download still does."""
