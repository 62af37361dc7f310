"""What is taken down: by which signs it is recognised, and what of a file they keep back."""
