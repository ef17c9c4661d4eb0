"""Looking at the data before anything is trained: broken files, copies, leaks and shortcuts."""
