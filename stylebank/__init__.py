"""StyleBank: one shared auto-encoder, one convolution filter per style (Chen et al., CVPR 2017, arXiv:1703.09210)."""

__version__ = "0.1.0"
