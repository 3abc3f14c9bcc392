"""The exercise longpoll."""
