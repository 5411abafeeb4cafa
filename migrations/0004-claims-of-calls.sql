-- A number for every claim of a call, counted on. The epoch does not tell two claims of one node apart, and the row changes
-- while it is claimed (dialled, answered, talking), so that its xmin does not either, as it does for messages. Nodes of the
-- version before neither raise it nor name it: among the claims of one epoch it is right all the same.
ALTER TABLE call_queue ADD COLUMN claim integer NOT NULL DEFAULT 0;
