-- Extensions of the distribution that every database of ours has, in Supabase's place for them.
create extension if not exists pg_stat_statements with schema extensions;
create extension if not exists vector with schema extensions;
