"""The wire between processes: plain data in frames, over Unix sockets.

The shapes are those of ``multiprocessing.managers`` (a request names an object, a method and arguments; a reply is
a kind and a value), the codec is not pickle: nothing that arrives can make the receiver run code.
"""
