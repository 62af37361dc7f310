"""What a request is: its address, its parameters, and where it comes from."""
