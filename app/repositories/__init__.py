"""What the service keeps, in SQLite or PostgreSQL: tables, rows to values, the transaction."""
