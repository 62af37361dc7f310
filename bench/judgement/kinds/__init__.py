"""What happens to novels, by kind. Each kind is a function from a `Desk` to the steps of one trial."""
