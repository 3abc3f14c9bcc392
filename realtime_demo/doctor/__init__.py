"""The deployment doctor: what a proxy in front of a live deployment does to each technique.

- `http_trace`: one HTTP/1.1 exchange, with the moment at which each piece of it arrived;
- `checks`: the probes, from outside, in rooms of their own;
- `remedies`: what can be wrong, and the line of configuration that cures it.
"""
