"""Faces: sockets in, ASGI out."""
