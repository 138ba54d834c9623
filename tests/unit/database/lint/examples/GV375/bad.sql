create extension pgcrypto; -- <-
create extension if not exists vector; -- <-
create extension "uuid-ossp" with schema extensions; -- <-
