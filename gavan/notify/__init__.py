"""Telling people what happens to a stack: [notify.<name>] of the stack file.

``tell.tell(stack, Event(...))`` is all that others call. It never raises and never shows a target.

Six forms over the HTTP and SMTP clients that are here anyway; the library for this (apprise) was
weighed: 14 MB with five packages of its own, a quarter of a second to load, and True or False as
its only answer, where people want to know why they heard nothing.
"""
