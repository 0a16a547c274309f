"""Files into Supabase's object storage while they still arrive."""
