"""FunASR's online Paraformer: two published graphs and what stands between them, as one.

A window of 20 stacked frames of 60 ms holds 10 that are new; the middle 10 count. The encoder knows
nothing of other windows. What a stream carries on: the frames that the next window sees again, what
of a token has been integrated, and the decoder's last inputs.
"""
