-- For PostgreSQL alone, which checks references at a cost: SQLite does it for next to nothing, and
-- would have to write both tables anew.
SELECT 1;
