"""Which chapter is which, which novel a file is, and which texts are none: wherever they stand now. Pure."""
