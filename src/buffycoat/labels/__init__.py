"""Labels: which look wrong, how many there may be, and a person's corrections, kept with name and reason."""
