create extension if not exists "uuid-ossp" with schema extensions;
