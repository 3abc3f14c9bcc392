"""The baseline: a chat in the shape of the Channels tutorial, served by plain Daphne.

One consumer for each connection, each a member of the room's group in the channel layer, each
encoding the message anew. And a plain Django view for a client that polls.
"""
