"""A wire-compatible ECS and STS on loopback: the default cloud, and a second opinion on verdicts."""
