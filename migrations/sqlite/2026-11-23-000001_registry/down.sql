-- There is no way back from the first version but a new registry: going back would drop the
-- audit trail. `rebuild` makes a registry from the storage.
SELECT RAISE(ABORT, 'the first migration cannot be undone');
