//! Shows verdicts: a table, JSON, JUnit's XML, consoles as files.
