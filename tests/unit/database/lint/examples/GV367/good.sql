create table public.embedding (id uuid primary key, v extensions.vector(3));
create index embedding_v on public.embedding using hnsw (v extensions.vector_cosine_ops);
alter table public.embedding enable row level security;
