"""Several core processes over one database: what is said in one is heard in all.

They speak by LISTEN and NOTIFY, on a channel whose name is a secret of the stack: whoever may log
in to the database can notify and listen, but not there.

The promise: what one process says reaches the others at most once and in its order; nothing orders
two processes; a process whose connection breaks misses what is said meanwhile, and presence is made
equal again when it is back. A process that is alone says nothing.
"""
