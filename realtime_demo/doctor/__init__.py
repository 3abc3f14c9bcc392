"""The deployment doctor: the effects of a proxy on each technique, in a live deployment.

- `http_trace`: one HTTP/1.1 response, with the time of arrival of each piece;
- `checks`: the probes, from outside, in their own rooms;
- `remedies`: the possible findings, and the line of configuration that cures each.
"""
