"""The rooms that speak to the outside world for the ports."""
