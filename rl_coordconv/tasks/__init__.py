"""The coordinate tasks of Liu et al. 2018: what convolution fails at and CoordConv does not.

Supervised tasks on layers alone; nothing here knows of reinforcement learning.
"""
