"""The networks: found by name, built with a head for the study's classes, given weights, and described."""
