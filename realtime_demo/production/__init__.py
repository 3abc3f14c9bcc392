"""A deployment on one machine: nginx, several servers, a worker and Redis, under supervisord.

- `paths`: the generated files, and the environment of the processes;
- `certificate`, `configuration`: the contents of the generated files;
- `programs`: the executables of nginx and redis-server;
- `supervisord`: the instance lock, the process of supervisord, and reports of `/readyz`;
- `child`: the launcher of each process, which prevents orphans;
- `cluster`: the nodes of a Redis Cluster become one.
"""
