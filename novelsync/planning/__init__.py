"""Pure decisions: what to read, which chapter is which, what to write, what is too dangerous. No clock, no network."""
