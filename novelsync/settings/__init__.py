"""Every setting. No other room reads the environment."""
