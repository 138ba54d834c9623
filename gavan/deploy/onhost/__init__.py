"""The runner of a release: a program of the standard library alone that stays on the server.

It is sent there as an archive with the files it imports, so it must run on any Python from 3.10.
It goes on when the client is gone; before each step it writes down which one it begins.
"""
