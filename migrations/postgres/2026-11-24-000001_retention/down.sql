-- There is no way back: it would drop legal holds and the records of deletions.
DO $$ BEGIN RAISE EXCEPTION 'this migration cannot be undone'; END $$;
