"""What each page says, in words: from models to what the templates show. Pure."""
