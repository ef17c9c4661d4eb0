"""The review desk: a person sees, corrects and signs what the program says of a smear.

An append-only log of events is the truth (:mod:`.log`); the tables that pages read are derived from it
(:mod:`.replay`) and can be rebuilt and checked at any time (:mod:`.verify`).
"""
