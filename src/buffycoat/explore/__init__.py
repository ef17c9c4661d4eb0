"""Looking at the data as they are: how many of each class, examples, average pictures, and their colours."""
