"""Every method, with what is known of it before it is loaded: add yours here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Guide = Literal["pan", "ms", "any"]
Task = Literal["sharpen", "blend", "denoise"]
COMMANDS: Mapping[Task, str] = {"sharpen": "fuse", "blend": "blend", "denoise": "denoise"}
"""The command that does each task."""


@dataclass(frozen=True)
class Entry:
    """Where a method lives and what it is, in one line."""

    name: str
    family: str
    summary: str
    source: str
    """Publication the method comes from."""
    module: str
    factory: str
    """Name of the class in `module`; it is called with an instance of the options class."""
    options: str
    """Name of the frozen dataclass of options in `module`."""
    outside_apart: bool = True
    """Whether bands that PAN does not see are kept away from it; false for methods without PAN,
    and for those that find out for themselves what PAN says of each band."""
    auto: bool = True
    """Whether ``-m auto`` tries it: not what takes more than about a second per megapixel."""
    guide: Guide = "pan"
    """Which guides it sharpens with: one PAN band, several bands (HS-MS fusion), or either."""
    tasks: tuple[Task, ...] = ("sharpen",)
    """What it is for: a coarse target and a fine guide, images of one resolution that are blended,
    or a noisy one beside a clean guide."""
    seeded: bool = False
    """Whether networks with random beginnings make it, so that another seed gives another image."""

    def takes(self, bands: int) -> bool:
        """Return whether it sharpens with a guide of that many bands.

        >>> [entry.takes(4) for entry in ENTRIES if entry.name in ("gsa", "fuse", "mean")]
        [False, True, False]
        """
        fits = self.guide == "any" or (self.guide == "pan") == (bands == 1)
        return fits and "sharpen" in self.tasks


_COMPONENT = "pansharpkit.methods.classical.component"
_SUBSTITUTION = "pansharpkit.methods.classical.substitution"
_HAZE = "pansharpkit.methods.classical.haze"
_BDSD = "pansharpkit.methods.classical.bdsd"
_MULTIRESOLUTION = "pansharpkit.methods.classical.multiresolution"
_MODULATION = "pansharpkit.methods.classical.modulation"
_VARIATIONAL = "pansharpkit.methods.classical.variational"
_HYPER_COMPONENT = "pansharpkit.methods.hs.component"
_HYPER_PYRAMID = "pansharpkit.methods.hs.multiresolution"
_PIXELWISE = "pansharpkit.methods.same.pixelwise"

ENTRIES = (
    Entry(
        "exp", "interpolation", "upsampled MS, no PAN: the floor every method must beat",
        "Aiazzi et al. 2002", "pansharpkit.methods.classical.interpolation", "Exp", "ExpOptions",
        outside_apart=False,
    ),
    Entry(
        "brovey", "component substitution",
        "colour ratios kept, intensity from PAN, least-squares intensity weights",
        "Gillespie et al. 1987", _COMPONENT, "Brovey", "BroveyOptions",
    ),
    Entry(
        "ihs", "component substitution",
        "fast intensity-hue-saturation: the same detail for every band",
        "Tu et al. 2001", _SUBSTITUTION, "Ihs", "IhsOptions",
    ),
    Entry(
        "pca", "component substitution", "PAN in place of the first principal component",
        "Chavez et al. 1991", _SUBSTITUTION, "Pca", "PcaOptions",
    ),
    Entry(
        "gs", "component substitution", "Gram-Schmidt with the mean of the bands as intensity",
        "Laben and Brower 2000", _SUBSTITUTION, "Gs", "GsOptions",
    ),
    Entry(
        "gsa", "component substitution", "adaptive Gram-Schmidt: one regression for the scene",
        "Aiazzi et al. 2007", _COMPONENT, "Gsa", "GsaOptions",
    ),
    Entry(
        "bt-h", "component substitution", "Brovey with the haze taken off first",
        "Lolli et al. 2017", _HAZE, "BtH", "BtHOptions",
    ),
    Entry(
        "bdsd", "component substitution",
        "band-dependent spatial detail by least squares, one set of coefficients for the scene",
        "Garzelli et al. 2008", _BDSD, "Bdsd", "BdsdOptions",
    ),
    Entry(
        "bdsd-pc", "component substitution",
        "band-dependent spatial detail with physical constraints",
        "Vivone 2019", _BDSD, "BdsdPc", "BdsdPcOptions",
    ),
    Entry(
        "pracs", "component substitution",
        "each band's own intensity, replaced in part, injected where band and intensity agree",
        "Choi et al. 2011", "pansharpkit.methods.classical.pracs", "Pracs", "PracsOptions",
    ),
    Entry(
        "sfim", "multiresolution", "modulation by PAN over its mean in a window of one MS pixel",
        "Liu 2000", _MODULATION, "Sfim", "SfimOptions",
    ),
    Entry(
        "awlp", "multiresolution", "wavelet detail, shared out in proportion to the bands",
        "Otazu et al. 2005", "pansharpkit.methods.classical.wavelet", "Awlp", "AwlpOptions",
    ),
    Entry(
        "mtf-glp", "multiresolution", "MTF-matched Laplacian pyramid, detail added",
        "Aiazzi et al. 2006", _MULTIRESOLUTION, "MtfGlp", "MtfGlpOptions",
    ),
    Entry(
        "mtf-glp-fs", "multiresolution",
        "MTF-matched Laplacian pyramid with full-scale regression gains",
        "Vivone et al. 2018", _MULTIRESOLUTION, "MtfGlpFs", "MtfGlpFsOptions",
    ),
    Entry(
        "mtf-glp-hpm", "multiresolution", "MTF-matched Laplacian pyramid, bands modulated",
        "Vivone et al. 2014", _MODULATION, "MtfGlpHpm", "MtfGlpHpmOptions",
    ),
    Entry(
        "mtf-glp-hpm-r", "multiresolution", "the same with PAN regressed on each band",
        "Vivone et al. 2018", _MODULATION, "MtfGlpHpmR", "MtfGlpHpmROptions",
    ),
    Entry(
        "mtf-glp-hpm-h", "multiresolution", "the same with the haze taken off first",
        "Lolli et al. 2017", _HAZE, "MtfGlpHpmH", "MtfGlpHpmHOptions",
    ),
    Entry(
        "tv", "variational", "total variation, consistent with MS and PAN",
        "Palsson et al. 2014", _VARIATIONAL, "Tv", "TvOptions", auto=False,
    ),
    Entry(
        "sirf", "variational", "consistent with MS, gradients of PAN in all but few places",
        "Chen et al. 2015", _VARIATIONAL, "Sirf", "SirfOptions", auto=False,
    ),
    Entry(
        "scenenet", "learned from the scene",
        "MTF-GLP-FS corrected by a small network that was trained on this very scene",
        "this project", "pansharpkit.methods.scenenet.method", "Scenenet", "ScenenetOptions",
        outside_apart=False, auto=False, seeded=True,
    ),
    Entry(
        "gdd", "deep, unsupervised",
        "Guided Deep Decoder: a network fitted to this scene, no training data",
        "Uezato et al. 2020", "pansharpkit.methods.gdd.method", "Gdd", "GddOptions",
        outside_apart=False, auto=False, seeded=True,
    ),
    Entry(
        "fuse", "Bayesian",
        "most probable cube given both images, in a subspace, by a Sylvester equation",
        "Wei et al. 2015", "pansharpkit.methods.hs.fuse", "Fuse", "FuseOptions",
        outside_apart=False, auto=False, guide="any",
    ),
    Entry(
        "hysure", "Bayesian", "the same with total variation shared by all coefficients",
        "Simoes et al. 2015", "pansharpkit.methods.hs.hysure", "Hysure", "HysureOptions",
        outside_apart=False, auto=False, guide="any",
    ),
    Entry(
        "scenenet-hs", "learned from the scene",
        "FUSE and HySure corrected by small networks that were trained on this very pair",
        "this project", "pansharpkit.methods.hs.scenenet_hs", "ScenenetHs", "ScenenetHsOptions",
        outside_apart=False, auto=False, guide="any", seeded=True,
    ),
    Entry(
        "gsa-hs", "hypersharpening",
        "GSA for each guide band and the target bands that correlate best with it",
        "Aiazzi et al. 2007; Yokoya et al. 2017", _HYPER_COMPONENT, "GsaHs", "GsaHsOptions",
        auto=False, guide="any",
    ),
    Entry(
        "sfim-hs", "hypersharpening",
        "bands modulated by a mixture of the guide's bands, regressed for each",
        "Liu 2000; Selva et al. 2015", _HYPER_PYRAMID, "SfimHs", "SfimHsOptions",
        outside_apart=False, auto=False, guide="any",
    ),
    Entry(
        "glp-hs", "hypersharpening",
        "detail of a mixture of the guide's bands, regressed for each, added",
        "Selva et al. 2015", _HYPER_PYRAMID, "GlpHs", "GlpHsOptions",
        outside_apart=False, auto=False, guide="any",
    ),
    Entry(
        "cnmf", "unmixing",
        "cube and guide as mixtures of the same materials, factorised in turn",
        "Yokoya et al. 2012", "pansharpkit.methods.hs.cnmf", "Cnmf", "CnmfOptions",
        outside_apart=False, auto=False, guide="ms",
    ),
    Entry(
        "nssr", "unmixing",
        "sparse nonnegative codes in a dictionary of the cube's spectra, alike for similar pixels",
        "Dong et al. 2016", "pansharpkit.methods.hs.nssr", "Nssr", "NssrOptions",
        outside_apart=False, auto=False, guide="ms",
    ),
    Entry(
        "cstf", "unmixing",
        "a sparse core between dictionaries of rows, of columns and of spectra",
        "Li et al. 2018", "pansharpkit.methods.hs.cstf", "Cstf", "CstfOptions",
        outside_apart=False, auto=False, guide="ms",
    ),
    Entry(
        "cycfusion", "deep, unsupervised",
        "networks from cube and from guide that must agree and come back to both, no training data",
        "Shi et al.", "pansharpkit.methods.cycfusion.method", "CycFusion", "CycFusionOptions",
        outside_apart=False, auto=False, guide="any", seeded=True,
    ),
    Entry(
        "gdd-hs", "deep, unsupervised",
        "Guided Deep Decoder for cubes: a network fitted to each tile, no training data",
        "Uezato et al. 2020", "pansharpkit.methods.gdd.hs", "GddHs", "GddHsOptions",
        outside_apart=False, auto=False, guide="any", seeded=True,
    ),
    Entry(
        "mean", "pixel by pixel", "the mean of the sources: the floor of blending",
        "–", _PIXELWISE, "Mean", "MeanOptions",
        outside_apart=False, auto=False, tasks=("blend",),
    ),
    Entry(
        "pca-gain", "pixel by pixel",
        "what explains all sources best by gains from small patches, in closed form",
        "Sharma et al. 1999; Ma et al.", _PIXELWISE, "PcaGain", "PcaGainOptions",
        outside_apart=False, auto=False, tasks=("blend",),
    ),
    Entry(
        "dwt-max", "multiresolution, same grid",
        "the largest wavelet coefficients of all sources over the mean of their coarse parts",
        "Li et al. 1995", "pansharpkit.methods.same.dwt_max", "DwtMax", "DwtMaxOptions",
        outside_apart=False, auto=False, tasks=("blend",),
    ),
    Entry(
        "dip-fusion", "deep, unsupervised",
        "one image that explains all sources by gains, from a network fitted to them",
        "Ma et al.", "pansharpkit.methods.same.dip_fusion", "DipFusion", "DipFusionOptions",
        outside_apart=False, auto=False, tasks=("blend",), seeded=True,
    ),
    Entry(
        "joint-bilateral", "filter", "the mean of neighbours that look alike in the guide",
        "Petschnigg et al. 2004", "pansharpkit.methods.same.joint_bilateral", "JointBilateral",
        "JointBilateralOptions", outside_apart=False, auto=False, tasks=("denoise",),
    ),
    Entry(
        "gdd-denoise", "deep, unsupervised",
        "Guided Deep Decoder that remakes a noisy image and stops before its noise",
        "Uezato et al. 2020", "pansharpkit.methods.same.gdd_denoise", "GddDenoise",
        "GddDenoiseOptions", outside_apart=False, auto=False, tasks=("denoise",), seeded=True,
    ),
    Entry(
        "dip", "deep, unsupervised",
        "deep image prior: a network with skip connections that sees the guide, or noise",
        "Ulyanov et al. 2018", "pansharpkit.methods.same.dip", "Dip", "DipOptions",
        outside_apart=False, auto=False, tasks=("sharpen", "denoise"), seeded=True,
    ),
    Entry(
        "deep-decoder", "deep, unsupervised",
        "deep decoder: a network with too few weights for noise, which sees no guide",
        "Heckel and Hand 2019", "pansharpkit.methods.same.dip", "UnguidedDeepDecoder",
        "DeepDecoderOptions", outside_apart=False, auto=False, tasks=("sharpen", "denoise"),
        seeded=True,
    ),
)  # fmt: skip
