"""How each index is shown: its name in print, its best value, its digits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class IndexStyle:
    """What a reader needs beside the number."""

    label: str
    best: str
    """The value of a perfect result."""
    meaning: str
    """What it says, in a few words; how it is computed stands in the report itself."""
    decimals: int = 4
    unit: str = ""


STYLES = {
    "hqnr": IndexStyle("HQNR", "1", "spectral and spatial fidelity in one figure"),
    "q2n": IndexStyle("Q2n", "1", "all bands at once against the reference"),
    "1 - d_lambda_k": IndexStyle("Q, spectral (1 − Dλ Khan)", "1", "bands against the MS"),
    "d_lambda_k": IndexStyle("Dλ (Khan)", "0", "spectral distortion against the MS"),
    "d_s": IndexStyle("Ds", "0", "spatial distortion against the PAN"),
    "sam_deg": IndexStyle("SAM", "0", "angle between spectra", 3, "°"),
    "ergas": IndexStyle("ERGAS", "0", "relative error over all bands", 3),
    "qnr": IndexStyle("QNR", "1", "the older combination of Dλ and Ds"),
    "d_lambda": IndexStyle("Dλ", "0", "spectral distortion, toolbox variant"),
    "d_lambda_alparone2008": IndexStyle("Dλ (2008)", "0", "spectral distortion, as published"),
    "q": IndexStyle("Q", "1", "universal quality index, mean of the bands"),
    "scc": IndexStyle("SCC", "1", "correlation of the edges"),
    "psnr_db": IndexStyle("PSNR", "∞", "peak signal to error", 2, "dB"),
    "psnr_band_mean_db": IndexStyle("PSNR, mean of bands", "∞", "peak signal to error", 2, "dB"),
    "ssim": IndexStyle("SSIM", "1", "structural similarity"),
    "rmse": IndexStyle("RMSE", "0", "root mean square error, stored units", 2),
    "detail_correlation": IndexStyle("Detail correlation", "1", "fine detail against the PAN's"),
    "guide_correlation": IndexStyle("Guide correlation", "1", "mixed bands against the guide's"),
    "guide_error_percent": IndexStyle(
        "Guide error", "0", "what mixed bands leave of the guide's", 2, "%"
    ),
    "ripple_percent": IndexStyle("Ripple", "that of PAN", "detail where the PAN is flat", 2, "%"),
    "pan_ripple_percent": IndexStyle("Ripple of PAN", "", "the same in the PAN itself", 2, "%"),
    "consistency_error_percent": IndexStyle(
        "Consistency error", "0", "fused, blurred and decimated, against the MS", 2, "%"
    ),
    "consistency_error_estimated_percent": IndexStyle(
        "Consistency error, estimated operator",
        "0",
        "as above, PSF and shift from the pair",
        2,
        "%",
    ),
    "ndvi_drift": IndexStyle("NDVI drift", "0", "change of NDVI at MS scale"),
    "ndvi_drift_estimated": IndexStyle(
        "NDVI drift, estimated", "0", "the same, PSF and shift from the pair"
    ),
    "overshoot_percent": IndexStyle(
        "Overshoot", "0", "pixels outside the local range of the inputs", 2, "%"
    ),
    "d_s_alparone2008": IndexStyle("Ds (2008)", "0", "spatial distortion, as published"),
    "d_rho": IndexStyle("Dρ", "0", "local correlation with the PAN, as a distortion"),
    "r_q2n": IndexStyle("Q2n, consistency", "1", "fused, degraded, against the MS"),
    "r_sam_deg": IndexStyle("SAM, consistency", "0", "fused, degraded, against the MS", 3, "°"),
    "r_ergas": IndexStyle("ERGAS, consistency", "0", "fused, degraded, against the MS", 3),
    "q_abf": IndexStyle("Q_AB/F", ".975", "edges of the sources that are in the result"),
    "mi_normalised": IndexStyle("MI, normalised", "2", "information shared with the sources"),
    "q_piella_w": IndexStyle("Q_W (Piella)", "1", "structure of the sources where it stands out"),
    "q_piella": IndexStyle("Q (Piella)", "1", "structure of the sources, all windows alike"),
    "q_piella_e": IndexStyle("Q_E (Piella)", "1", "Q_W of the images and of their edges"),
    "q_cvejic": IndexStyle("Q_C (Cvejic)", "1", "similarity weighted by covariance"),
    "q_abf_bristol": IndexStyle("Q_AB/F, Bristol", ".978", "with the constants of DIP fusion"),
    "mi": IndexStyle("MI", "", "Shannon", unit="bits"),
    "mi_renyi": IndexStyle("MI, Rényi", "", "of order 1/2", unit="bits"),
    "entropy_bits": IndexStyle("Entropy", "", "of the result", unit="bits"),
    "scd": IndexStyle("SCD", "2", "correlation of differences with the sources"),
    "noise_before": IndexStyle("Noise before", "", "robust, from the finest diagonal detail"),
    "noise_after": IndexStyle("Noise after", "0", "the same in the result"),
    "residual_rms": IndexStyle("Taken off", "noise before", "RMS of what was removed"),
    "residual_edges": IndexStyle("Residual and edges", "0", "is more taken off at edges?"),
    "residual_neighbours": IndexStyle(
        "Residual's neighbours", "0", "is what was taken off smooth?"
    ),
}
HEADLINES = 3
"""How many indices are shown large."""


def style_of(name: str) -> IndexStyle:
    """Return how to show an index, known or not."""
    return STYLES.get(name, IndexStyle(name, "", ""))


def ordered(names: Iterable[str]) -> list[str]:
    """Return index names in the order of print: known ones first, the most telling on top."""
    rank = {name: place for place, name in enumerate(STYLES)}
    return sorted(names, key=lambda name: (rank.get(name, len(rank)), name))
