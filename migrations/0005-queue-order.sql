-- Without the msgid: after a vacuum that met a handful of rows the planner took this index, whose last column it was, for as
-- good as the primary key to find rows by msgid, and read all of it beside each row of a batch, however long the queue had become.
DROP INDEX queue_order;
CREATE INDEX queue_order ON queue (operator_id, rank);
