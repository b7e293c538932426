"""Durable execution on DBOS: the only room that imports it. What it runs it has never heard of."""
