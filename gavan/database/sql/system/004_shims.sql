-- Our SQL-language stand-ins for extensions that need a Postgres with OpenSSL.
create extension if not exists pgcrypto with schema extensions;
create extension if not exists "uuid-ossp" with schema extensions;
