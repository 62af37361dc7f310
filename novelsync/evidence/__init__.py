"""What speaks for and against "this is that chapter": texts as readers see them, and labels. Pure."""
