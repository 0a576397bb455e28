"""A small tree of a process's own: for development under an ASGI server without Gunicorn, and for scripts."""
