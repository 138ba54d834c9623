-- Files of cards. The storage service's own rows are the only truth: an object of the bucket
-- `attachments` (declared in gavan.toml) named `<board id>/<card id>/<file>`. What people call the
-- file is in its user metadata, because names of objects are ASCII.

-- Members read, add and remove; nothing is changed in place. my_boards asks for the second factor.
create function private.is_attachment(name text) returns boolean
language sql stable security definer set search_path = '' as $$
  select case
    when is_attachment.name ~ '^[0-9a-f-]{36}/[0-9a-f-]{36}/[^/]+$' then exists (
      select from public.card c
      where c.id::text = split_part(is_attachment.name, '/', 2)
        and c.board_id::text = split_part(is_attachment.name, '/', 1))
    else false
  end
$$;

create policy attachment_read on storage.objects for select to authenticated
  using (bucket_id = 'attachments'
    and split_part(name, '/', 1) in (select mine::text from private.my_boards() mine));
create policy attachment_add on storage.objects for insert to authenticated
  with check (bucket_id = 'attachments'
    and split_part(name, '/', 1) in (select mine::text from private.my_boards() mine)
    and private.is_attachment(name));
create policy attachment_remove on storage.objects for delete to authenticated
  using (bucket_id = 'attachments'
    and split_part(name, '/', 1) in (select mine::text from private.my_boards() mine));

-- How large a file may be is asked of the bucket.
create policy attachment_bucket on storage.buckets for select to authenticated
  using (id = 'attachments');

-- What the page shows; the reader's own policies decide on every row.
create view public.attachment with (security_invoker) as
  select o.id, split_part(o.name, '/', 2) as card_id, o.name as path,
    coalesce(nullif(o.user_metadata ->> 'name', ''), split_part(o.name, '/', 3)) as name,
    coalesce(o.metadata ->> 'mimetype', 'application/octet-stream') as mime,
    coalesce((o.metadata ->> 'size')::bigint, 0) as size,
    o.owner_id, o.created_at
  from storage.objects o
  where o.bucket_id = 'attachments';

-- Files leave with their card: the rows here, the bytes by `gavan storage sweep`.
create function private.remove_attachments() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform set_config('storage.allow_delete_query', 'true', true);
  delete from storage.objects o
  where o.bucket_id = 'attachments'
    and o.name collate "C" >= old.board_id || '/' || old.id || '/'
    and o.name collate "C" < old.board_id || '/' || old.id || '0'; -- what follows the slash
  perform set_config('storage.allow_delete_query', 'false', true);
  return null;
end $$;
create trigger remove_attachments after delete on public.card
  for each row execute function private.remove_attachments();

revoke all on public.attachment from anon, authenticated;
grant select on public.attachment to authenticated;
revoke all on function private.is_attachment, private.remove_attachments from public;
grant execute on function private.is_attachment to authenticated;
