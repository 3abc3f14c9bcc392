"""A deployment on one machine: nginx, several servers, a worker and Redis, under supervisord.

- `paths`: the generated files, and the environment of the processes;
- `certificate`, `configuration`: what the generated files contain;
- `programs`: the executables of nginx and redis-server;
- `supervisor`: the instance lock, and supervisord while it runs;
- `child`: what each process is started by, so that none is orphaned;
- `readiness`: reports when the deployment becomes ready, and when it is not.
"""
