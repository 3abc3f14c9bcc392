"""The deployment doctor: what a proxy in front of a live deployment does to each technique.

- `wire`: one HTTP/1.1 exchange, with the moment at which each piece of it arrived;
- `findings`: what can be wrong, and the line of configuration that cures it;
- `examination`: the probes, from outside, in a room of their own.
"""
