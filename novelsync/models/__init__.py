"""The nouns, by topic. Values: none of them does anything."""
