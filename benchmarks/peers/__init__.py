"""Comparable libraries, each used as its documentation shows.

- `socket_io`: python-socketio on Uvicorn;
- `eventstream`: a Django project with django-eventstream, on Daphne and on Uvicorn;
- `environment`: the virtual environment that they run in.
"""
