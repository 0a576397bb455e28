-- Which slots of a schedule passed without a task of their own: JSON, and empty while there was none.

ALTER TABLE schedules ADD COLUMN missed TEXT NOT NULL DEFAULT '';
