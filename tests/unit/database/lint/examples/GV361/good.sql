create table "column" (
  id uuid primary key,
  name text not null
);
alter table "column" enable row level security;
