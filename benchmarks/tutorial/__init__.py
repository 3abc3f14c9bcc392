"""The baseline: a chat in the shape of the Channels tutorial, on Daphne.

Each connection has its own consumer, which joins the room's group in the channel layer and
encodes each message again. A plain Django view answers polls.
"""
