-- What a hosted Supabase gives the API roles by itself, and a quick way back to empty tables.

grant usage on schema public to anon, authenticated, service_role;
grant all on all tables in schema public to service_role;
grant all on all sequences in schema public to service_role;

create function sandbox_reset() returns void language plpgsql as $$
begin
  execute (select 'truncate ' || string_agg(format('%I.%I', schemaname, tablename), ', ') || ' cascade'
           from pg_tables where schemaname = 'public');
end $$;
revoke all on function sandbox_reset() from public;
grant execute on function sandbox_reset() to service_role;
