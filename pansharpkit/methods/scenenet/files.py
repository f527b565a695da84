"""Weights of scenenet in a file, with what they were made for."""

from __future__ import annotations

from pansharpkit.methods.networks.weights import read_weights, write_weights
from pansharpkit.methods.scenenet.net import ResidualNet
from pansharpkit.methods.scenenet.train import Weights

FORMAT = "pansharpkit scenenet 2"


def save_weights(path: str, net: ResidualNet, bands: int, channels: int) -> None:
    """Write the weights of a network.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    write_weights(path, FORMAT, net.state_dict(), {"bands": bands, "channels": channels})


def load_weights(path: str, bands: int, channels: int) -> Weights:
    """Read the weights of a network.

    Raises
    ------
    OptionError
        If the file is missing, no such network, or one for other bands or channels.
    """
    return read_weights(path, FORMAT, "scenenet", {"bands": bands, "channels": channels})
