"""What a reader sees of a study: the report, the project page, and the table at the end in the terminal.

Everything is drawn from the files of a study folder; no network is loaded and no number is made here.
"""
