"""The study: conducts the other rooms from a folder of labelled smears to a report."""
