"""What holds back changes that are doubtful."""
