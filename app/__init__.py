"""ECS Intercommunication API: exact reachability and safe change of security groups."""
