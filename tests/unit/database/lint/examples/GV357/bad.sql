update public.card set colour = 'red'; -- <-
delete from public.import_row; -- <-
