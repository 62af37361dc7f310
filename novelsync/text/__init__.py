"""How text for people is written: messages, hints and log lines, without secrets."""
