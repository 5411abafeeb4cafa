-- The statements that meet these tables are planned without statistics (store/database, stage settings), and their rows
-- come and go so fast that autovacuum took statistics of them every few seconds: a seventh of PostgreSQL's time. Nor is
-- their emptied tail worth cutting off, which takes an exclusive lock: they grow again at once.
ALTER TABLE queue SET (autovacuum_analyze_threshold = 1000000, autovacuum_analyze_scale_factor = 0, vacuum_truncate = off);
ALTER TABLE in_flight SET (autovacuum_analyze_threshold = 1000000, autovacuum_analyze_scale_factor = 0, vacuum_truncate = off);
ALTER TABLE outbox SET (autovacuum_analyze_threshold = 1000000, autovacuum_analyze_scale_factor = 0, vacuum_truncate = off);
ALTER TABLE long_messages SET (autovacuum_analyze_threshold = 1000000, autovacuum_analyze_scale_factor = 0, vacuum_truncate = off);
