alter type public.stage add value 'review';
update public.card set stage = 'review' where stage = 'doing'; -- <-
