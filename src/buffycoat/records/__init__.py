"""The files that pass between rooms: table schemas and JSON documents, each defined once.

A room writes what stands here and reads what stands here; nothing else crosses a wall.
"""
