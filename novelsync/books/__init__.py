"""The bytes of a novel's file become a Book, or every reason why not. Pure."""
