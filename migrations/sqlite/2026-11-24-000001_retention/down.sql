-- There is no way back: it would drop legal holds and the records of deletions.
SELECT RAISE(ABORT, 'this migration cannot be undone');
