"""The benchmarks that `make bench` knows: what each answers, how it is run and what it needs."""

from __future__ import annotations

from bench_entry import Entry

_PEERED = "exp gsa mtf-glp-fs auto scenenet"
_PUBLISHED = "dip-fusion:preset=published,channels=16,iterations=300,level=largest"
ENTRIES = (
    Entry(
        "classical-quality", "classical", "every quick method and scenenet beside other tools",
        "peers.py {data} --also scenenet --jobs {jobs} --json {json}", cost="long",
        data="both", seed="0",
    ),
    Entry(
        "auto-choice", "classical", "what `-m auto` chooses, beside other tools",
        "auto_choice.py {data} --json {json}", data="both",
    ),
    Entry(
        "peer-speed", "classical", "seconds and memory beside other tools, 17 Mpx of PAN",
        f"classical_speed.py --side 4096 --threads 1 --methods {_PEERED} --parts "
        "--rounds {rounds} --json {json}", timed=True, seed="0",
    ),
    Entry(
        "classical-speed", "classical", "megapixels per second of each method on arrays",
        "speed_methods.py --json {json}", timed=True, seed="0",
    ),
    Entry(
        "large-speed", "classical", "speed, limits and linearity up to 32768² pixels",
        "classical_speed.py --rounds {rounds}", cost="long", timed=True,
    ),
    Entry(
        "geometry", "classical", "where each tool puts the MS", "geometry.py --json {json}",
        seed="5, 7",
    ),
    Entry(
        "golden-methods", "classical", "deviation from the field's toolbox, method by method",
        "golden_methods.py tests/golden",
    ),
    Entry(
        "outside-pan", "classical", "bands that PAN does not see", "outside_pan.py",
    ),
    Entry(
        "back-projection", "classical", "gains and costs of back-projection",
        "back_projection.py {data} --json {json}", cost="long", data="further", seed="0",
    ),
    Entry("tiling", "classical", "differences between tile sizes, and seams", "tiling.py"),
    Entry(
        "output-cost", "classical", "time and size of each codec",
        "output_cost.py --data={data} --repeats {rounds}", timed=True, data="further",
    ),
    Entry(
        "learned-full", "learned", "scenenet at full resolution",
        "quality.py {data} --only full --methods gsa mtf-glp-fs scenenet --out {stem}",
        cost="long", data="further", seed="0",
    ),
    Entry(
        "detail-limit", "learned", "what agreement with the MS leaves of PAN's detail",
        "detail_limit.py {data}", cost="long", data="further", seed="0",
    ),
    Entry(
        "learned-wald", "learned", "scenenet by Wald's protocol",
        "quality.py {data} --only reduced --operators exact --seeds 3 --out {stem}",
        cost="long", data="further", seed="0, 1, 2",
    ),
    Entry(
        "learned-operators", "learned", "scenenet where the MS is made otherwise than told",
        "quality.py {data} --only reduced --scenes S1 S2 S3 --methods mtf-glp-fs gsa+10bp "
        "bdsd-pc+10bp mtf-glp-fs+10bp scenenet --out {stem}",
        cost="long", data="further", seed="0",
    ),
    Entry(
        "learned-weights", "learned", "scenenet from kept weights",
        "scenenet_weights.py {data}", cost="long", data="further", seed="0",
    ),
    Entry(
        "gdd-presets", "learned", "presets of the Guided Deep Decoder",
        "gdd_presets.py {data} --json {json}", cost="long", timed=True, data="further", seed="0",
    ),
    Entry(
        "gdd-weights", "learned", "the Guided Deep Decoder from another scene's weights",
        "gdd_presets.py {data} --scenes S5 --presets balanced --seeds 3 --pretrain S1 "
        "--pretrain-steps 400 --option shared=0 --option iterations=120 --option rate=0.005 "
        "--option mu=30 --json {json}", cost="long", timed=True, data="further", seed="0, 1, 2",
    ),
    Entry(
        "learned-bicubic", "learned", "scenenet where MS or PAN is made by cubic reduction",
        "quality.py {data} --only reduced --operators bicubic 'PAN bicubic' "
        "--scenes S1 S2 S3 S4 S6 S7 S8 "
        "--methods mtf-glp-fs gsa+10bp bdsd-pc+10bp mtf-glp-fs+10bp scenenet --out {stem}",
        cost="long", data="further", seed="0",
    ),
    Entry(
        "gdd-average", "learned", "the Guided Deep Decoder averaged with scenenet",
        "quality.py {data} --only reduced --operators exact --scenes S1 S2 S3 S5 "
        "--methods scenenet gdd gdd:scenenet=0.5 --out {stem}",
        cost="long", data="further", seed="0",
    ),
    Entry(
        "gdd-full", "learned", "the Guided Deep Decoder at full resolution",
        "quality.py {data} --only full --scenes S3 "
        "--methods mtf-glp-fs scenenet gdd gdd:scenenet=0.5 --out {stem}",
        cost="long", data="further", seed="0",
    ),
    Entry(
        "gdd-curve", "learned", "the published schedule of the Guided Deep Decoder",
        "gdd_curve.py tests/golden/l8_RR_r2_inputs.npz --iterations 8001 --crop 96 --threads 1 "
        "--json {json}", cost="long", timed=True, seed="0",
    ),
    Entry(
        "uncertainty", "learned", "uncertainty of learned images against their errors",
        "uncertainty.py {data} --candidates --figure docs/assets/uncertainty.svg --json {json}",
        cost="long", data="further", seed="0",
    ),
    Entry(
        "hs-quality", "cubes", "cubes and finer images: quality, SSIM and seconds",
        "hs_quality.py {data} --methods exp gsa-hs sfim-hs glp-hs fuse hysure cnmf nssr cstf "
        "scenenet-hs cycfusion --out {stem}", cost="long", data="further", seed="0",
    ),
    Entry(
        "hs-quality-blind", "cubes", "cubes whose PSF and SRF nobody knows",
        "hs_quality.py {data} --blind --methods cycfusion --out {stem}", cost="long",
        data="further", seed="0",
    ),
    Entry(
        "hs-wrong-model", "cubes", "cubes where the observation model is wrong",
        "hs_wrong_model.py {data} --methods fuse hysure scenenet-hs",
        data="further", seed="0",
    ),
    Entry(
        "hs-blocks", "cubes", "classics for cubes told a wrong PSF and no response",
        "hs_quality.py {data} --degradation block --blind --ratios 4 --srfs worldview2 "
        "--methods exp gsa-hs sfim-hs glp-hs fuse hysure --out {stem}",
        data="further", seed="0",
    ),
    Entry(
        "hs-blocks-told", "cubes", "the same, told PSF and response",
        "hs_quality.py {data} --degradation block --ratios 4 --srfs worldview2 "
        "--methods fuse --out {stem}", data="further", seed="0",
    ),
    Entry(
        "hs-pan", "cubes", "cubes beside a PAN",
        "hs_quality.py {data} --ratios 4 --srfs landsat8_pan "
        "--methods exp gsa mtf-glp-fs gsa-hs sfim-hs glp-hs fuse hysure --out {stem}",
        data="further", seed="0",
    ),
    Entry(
        "hs-blind", "cubes", "SRF and PSF estimated from the pair",
        "hs_blind.py {data} --methods filters --out {stem}", data="further", seed="0",
    ),
    Entry(
        "hs-speed", "cubes", "speed of the methods for cubes", "hs_speed.py",
        timed=True, seed="0",
    ),
    Entry(
        "cycfusion-curve", "cubes", "presets of CycFusion",
        "cycfusion_curve.py {data} --json {json}", cost="long", timed=True, data="further",
        seed="0",
    ),
    Entry(
        "hs-large", "cubes", "time and memory of large cubes",
        "hs_large.py {data} --side 512 1024 2048 --out-name f.img", cost="long", timed=True,
        data="further", seed="none",
    ),
    Entry(
        "cnmf-convergence", "cubes", "CNMF beside the toolbox: objective and quality",
        "cnmf_convergence.py", seed="0",
    ),
    Entry(
        "denoising", "same", "denoising beside a guide, against known noise",
        "denoising.py {data} --crop 96", cost="long", data="further", seed="σ",
    ),
    Entry(
        "blending", "same", "blending images of one resolution",
        "blending.py {data}/nongeo_u2fusion --crop 128 --out {stem}", cost="long",
        data="further", seed="0",
    ),
    Entry(
        "blending-larger", "same", "blending of larger pieces, three seeds",
        "blending.py {data}/nongeo_u2fusion --kinds vis-ir medical --crop 256 --seeds 3 "
        "--methods mean pca-gain dwt-max dip-fusion --out {stem}", cost="long",
        data="further", seed="0, 1, 2",
    ),
    Entry(
        "blending-quality", "same", "the preset `quality` of DIP fusion on whole pictures",
        "blending.py {data}/nongeo_u2fusion --kinds medical "
        "--methods pca-gain dip-fusion:preset=quality --out {stem}",
        data="further", seed="0",
    ),
    Entry(
        "blending-copies", "same", "copies of the noise, for DIP fusion as published",
        f"blending.py {{data}}/nongeo_u2fusion --crop 96 --methods {_PUBLISHED},copies=1 "
        f"{_PUBLISHED},copies=10 --out {{stem}}", data="further", seed="0",
    ),
    Entry(
        "golden-metrics", "indices", "deviation from the field's toolboxes, index by index",
        "golden_metrics.py",
    ),
    Entry(
        "time-estimate", "scaling", "expected and real time",
        "time_estimate.py --side 4096 --json {json}", cost="long", timed=True, seed="0",
    ),
    Entry(
        "batch-scaling", "scaling", "processes of a batch", "batch_scaling.py --scenes 200",
        cost="long", timed=True, seed="0",
    ),
    Entry(
        "cluster-scaling", "scaling", "dask workers on one scene",
        "cluster_scaling.py --side 16384 -m mtf-glp-fs --back-projection 8 --plain --tiles",
        cost="long", timed=True,
    ),
    Entry(
        "cluster-scheduler", "scaling", "what a scheduler remembers",
        "cluster_scaling.py -m --tiles 100 1000 10000", cost="long",
    ),
    Entry(
        "sizing", "scaling", "what archives take", "sizing.py", cost="long", timed=True,
    ),
    Entry(
        "reliability", "scaling", "trials of faults", "reliability.py --json {json}",
        cost="long", seed="0 to 29",
    ),
    Entry(
        "gpu", "scaling", "learned methods on a GPU", "bench_gpu.py --json {json}",
        cost="long", timed=True, seed="0", tool="cuda",
    ),
)  # fmt: skip
BY_NAME = {entry.name: entry for entry in ENTRIES}


def selected(words: list[str]) -> list[Entry]:
    """Return the entries that a selection names, the quick ones first.

    Each word is a name, a group, ``quick``, ``long``, ``timed``, ``untimed`` or ``all``; of words
    joined by ``+`` all must hold.

    Raises
    ------
    ValueError
        If a word selects nothing.
    """
    wanted = [set(word.split("+")) for word in words]
    for word, all_of in zip(words, wanted, strict=True):
        if not any(all_of <= entry.words for entry in ENTRIES):
            known = ", ".join(BY_NAME)
            raise ValueError(f"no benchmark is {word!r}; there are {known}")
    found = [entry for entry in ENTRIES if any(all_of <= entry.words for all_of in wanted)]
    return sorted(found, key=lambda entry: entry.cost != "quick")
