"""Makes trials: pieces of real novels, and what becomes of texts."""
