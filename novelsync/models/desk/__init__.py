"""What an operator looks up: novels, one novel, runs and problems; and what somebody is told without asking."""
