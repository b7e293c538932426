"""A wire-compatible ECS and STS: the default cloud, and a second opinion on every verdict."""
