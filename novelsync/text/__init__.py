"""How things are written: secrets left out, messages, hints, log lines."""
