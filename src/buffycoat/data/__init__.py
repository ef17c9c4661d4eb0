"""From a name, a folder or a table to one table of labelled cells, with everything odd about it named."""
