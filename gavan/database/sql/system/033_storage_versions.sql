-- The bytes of an object are kept under its version, so a version belongs to one row. Whoever may
-- write rows, by a schema that the data API shows or a function, could otherwise give a row of
-- their own the version of another, and have its bytes removed with theirs. Upstream has no such
-- index: there the name of the object is part of where its bytes are. The sweep reads by it.
set local role supabase_storage_admin;

create unique index one_object_of_a_version on storage.objects (version collate "C");

reset role;
