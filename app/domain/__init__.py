"""Pure values and functions: no clock, no network, no database."""
