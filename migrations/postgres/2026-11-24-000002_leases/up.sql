-- Which process does the work of the background that one process is enough for. A lease that is
-- not renewed ends by itself, and another process takes the work on.
CREATE TABLE leases (
    task TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    holder BIGINT NOT NULL REFERENCES writers (id),
    expires_at BIGINT NOT NULL
);
