"""Smears drawn by the program: red cells, platelets and the five leukocyte types, seeded, with boxes and masks.

The drawing follows textbook morphology and the light of a bright-field microscope: every structure adds optical
density per colour channel, and the photograph is the light that is left (Beer–Lambert). No photograph goes in.
"""
