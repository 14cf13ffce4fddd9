-- Finds deliveries that wait for a time which was set before the clock was put back.
CREATE INDEX delivery_ahead ON delivery ((CASE phase WHEN 'overlapping' THEN set_at ELSE due_at END))
    WHERE due_at > 0 AND phase <> 'done';
