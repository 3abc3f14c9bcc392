"""The production shape on one machine: nginx, several servers, a worker and Redis.

- `layout`: where everything generated lives, and the environment of the processes;
- `certificate`, `configuration`: what is generated;
- `programs`: nginx and redis-server, the system's or a wheel's;
- `owner`: one production in a directory, whose parts end with the command that runs it;
- `keep`: starts one process again when it dies, and stops it when it is its turn;
- `watch`: says when all of it is ready, and when it is not.

Honcho runs them side by side (`manage.py production`, `parts`).
"""
