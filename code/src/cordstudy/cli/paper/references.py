"""The works that a methods paragraph may cite, numbered as it does.

Owns: the list of works, and the number of each in the order of citing.
Does not own: what is said with them (`methods.md.j2`).
"""

from __future__ import annotations

WORKS = {
    "nnunet": "Isensee F, Jaeger PF, Kohl SAA, Petersen J, Maier-Hein KH. nnU-Net: a "
    "self-configuring method for deep learning-based biomedical image segmentation. Nature "
    "Methods 2021;18:203–211. doi:10.1038/s41592-020-01008-z",
    "dice": "Dice LR. Measures of the amount of ecologic association between species. Ecology "
    "1945;26:297–302. doi:10.2307/1932409",
    "nsd": "Nikolov S, Blackwell S, Zverovitch A, et al. Clinically applicable segmentation of "
    "head and neck anatomy for radiotherapy: deep learning algorithm development and validation "
    "study. J Med Internet Res 2021;23:e26151. doi:10.2196/26151",
    "metrics": "Maier-Hein L, Reinke A, Godau P, et al. Metrics reloaded: recommendations for "
    "image analysis validation. Nature Methods 2024;21:195–212. doi:10.1038/s41592-023-02151-z",
    "sct": "De Leener B, Lévy S, Dupont SM, et al. SCT: Spinal Cord Toolbox, an open-source "
    "software for processing spinal cord MRI data. NeuroImage 2017;145:24–43. "
    "doi:10.1016/j.neuroimage.2016.10.009",
    "bland": "Bland JM, Altman DG. Statistical methods for assessing agreement between two "
    "methods of clinical measurement. Lancet 1986;327:307–310. doi:10.1016/S0140-6736(86)90837-8",
    "permutation": "Phipson B, Smyth GK. Permutation p-values should never be zero. Statistical "
    "Applications in Genetics and Molecular Biology 2010;9:39. doi:10.2202/1544-6115.1585",
    "wilcoxon": "Wilcoxon F. Individual comparisons by ranking methods. Biometrics Bulletin "
    "1945;1:80–83. doi:10.2307/3001968",
    "tost": "Schuirmann DJ. A comparison of the two one-sided tests procedure and the power "
    "approach for assessing the equivalence of average bioavailability. Journal of "
    "Pharmacokinetics and Biopharmaceutics 1987;15:657–680. doi:10.1007/BF01068419",
    "gaffke": "Learned-Miller E, Thomas PS. A new confidence interval for the mean of a bounded "
    "random variable. arXiv:1905.06208, 2019.",
    "clopper": "Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in "
    "the case of the binomial. Biometrika 1934;26:404–413. doi:10.1093/biomet/26.4.404",
    "datalad": "Halchenko YO, Meyer K, Poldrack B, et al. DataLad: distributed system for joint "
    "management of code, data, and their relationship. Journal of Open Source Software "
    "2021;6:3262. doi:10.21105/joss.03262",
    "claim": "Tejani AS, Klontzas ME, Gatti AA, et al. Checklist for Artificial Intelligence in "
    "Medical Imaging (CLAIM): 2024 update. Radiology: Artificial Intelligence 2024;6:e240300. "
    "doi:10.1148/ryai.240300",
    "tripod": "Collins GS, Moons KGM, Dhiman P, et al. TRIPOD+AI statement: updated guidance for "
    "reporting clinical prediction models that use regression or machine learning methods. BMJ "
    "2024;385:e078378. doi:10.1136/bmj-2023-078378",
}


class References:
    """The works cited so far."""

    def __init__(self) -> None:
        self._cited: list[str] = []

    def cite(self, *keys: str) -> str:
        """The mark of some works: their numbers, given at the first citing."""
        for key in keys:
            if key not in self._cited:
                self._cited.append(key)
        return f"[{', '.join(str(self._cited.index(key) + 1) for key in keys)}]"

    def listed(self) -> list[str]:
        """The works cited, in the order of their numbers."""
        return [f"{number}. {WORKS[key]}" for number, key in enumerate(self._cited, start=1)]
