"""The peers that burst is compared with, by name; each turns a stack into a linear image [h, w]."""

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
    """Return the peers that can run here by name, if `wanted`; log why others cannot."""
    found: dict[str, Peer] = {}
    missing: dict[str, None] = {}
    for name, peer in PEERS.items() if wanted else ():
        try:
            _FINDERS.get(name, Path)()
            found[name] = peer
        except PeerError as error:
            missing[str(error)] = None
    for reason in missing:
        LOG.warning("--peers: left out: %s", reason)
    return found


def settings_with_peers(options: Options) -> str:
    """Return the resolved settings of the pipeline, and the peers that are measured with it."""
    return "\n".join([options.load().to_toml(), *peers_if(options.peers)])
