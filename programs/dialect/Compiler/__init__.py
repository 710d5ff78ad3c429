"""The dialect library: what programs know as `Compiler`."""
