"""What an operator looks up: novels, one novel, and runs. Published as it is, as JSON and on the pages."""
