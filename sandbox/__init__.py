"""A whole VidFab on one machine: Redis, Supabase, vendors' stand-ins, the app's Node side."""
