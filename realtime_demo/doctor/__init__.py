"""The deployment doctor: the effects of a proxy on each technique, in a live deployment.

- `target`: the deployment that is examined, and requests to it;
- `checks`: the probes, from outside, in their own rooms;
- `remedies`: the possible findings, and what each needs on every platform;
- `platforms`: the platforms, how each is recognised, its limits and its remedies.
"""
