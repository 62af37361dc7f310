"""The nouns of the package, by topic. All are plain values: they compute, and touch nothing outside."""
