-- What a hosted Supabase gives the API roles by itself, and a quick way back to empty tables.

grant usage on schema public to anon, authenticated, service_role;
grant all on all tables in schema public to service_role;
grant all on all sequences in schema public to service_role;

-- `delete` rids a table of a few rows for a quarter of what `truncate` costs.
-- The role keeps triggers from writing to what is emptied.
create function sandbox_reset() returns void language plpgsql
security definer set session_replication_role = replica as $$
declare one regclass;
begin
  for one in select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'public'
  loop execute 'delete from ' || one; end loop;
end $$;
revoke all on function sandbox_reset() from public;
grant execute on function sandbox_reset() to service_role;
