"""What the simulated cloud holds: resources, their indexes, quotas, and the estate format."""
