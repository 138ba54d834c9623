-- The files themselves stay in the bucket: gavan storage rm removes them.
drop trigger if exists remove_attachments on public.card;
drop function if exists private.remove_attachments();
drop view if exists public.attachment;
drop policy if exists attachment_bucket on storage.buckets;
drop policy if exists attachment_remove on storage.objects;
drop policy if exists attachment_add on storage.objects;
drop policy if exists attachment_read on storage.objects;
drop function if exists private.is_attachment(text);
