"""The peers that burst is compared with, by name; each turns a stack into a linear image [h, w].

`find_peers` returns those that can run here, and the reasons why others cannot.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from burst.log import LOG
from burst.measure.peers.programs import find_pss, find_siril, pss, siril
from burst.measure.peers.recipes import richardson_lucy, template, winner
from burst.measure.results import PeerError
from burst.measure.suite import Options
from burst.records import Stack

Peer = Callable[[Stack], torch.Tensor]

PEERS: dict[str, Peer] = {
    "winner": winner,
    "template": template,
    "pss": pss,
    # The program leaves sharpening to its user; the deblurring of the recipes makes it comparable.
    "pss deblurred": lambda stack: richardson_lucy(pss(stack)),
    "siril": siril,
}

_FINDERS: dict[str, Callable[[], Path]] = {
    "pss": find_pss,
    "pss deblurred": find_pss,
    "siril": find_siril,
}


def peers_if(wanted: bool) -> dict[str, Peer]:
    """Return the peers that can run here, if `wanted`; log which cannot."""
    if not wanted:
        return {}
    peers, missing = find_peers()
    for reason in missing:
        LOG.warning("--peers: left out: %s", reason)
    return peers


def settings_with_peers(options: Options) -> str:
    """Return the resolved settings of the pipeline, and the peers that are measured with it."""
    return "\n".join([options.load().to_toml(), *peers_if(options.peers)])


def find_peers() -> tuple[dict[str, Peer], tuple[str, ...]]:
    """Return the peers that can run here by name, and a sentence for each that cannot."""
    found: dict[str, Peer] = {}
    missing: list[str] = []
    for name, peer in PEERS.items():
        try:
            _FINDERS.get(name, Path)()
        except PeerError as error:
            missing.append(str(error))
        else:
            found[name] = peer
    return found, tuple(dict.fromkeys(missing))
