"""What the service needs from outside, in our words: Protocols and the values they carry."""
