"""What other programs wrote becomes novels that a sync reads: a folder with a ``book_info.json``, texts beside it."""
