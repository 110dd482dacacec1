"""What the gateway is told, how it is reached, and a local one to run."""
