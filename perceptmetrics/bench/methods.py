"""Whose figures the paper prints: its own method, and the rivals that it names.

One method is spelled in several ways across the tables (``TREs (152M)``, ``TReS``); these values
say which rows are of one method.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """A method by its own name.

    Attributes:
        name: As its authors spell it.
        paper: Reference, as the paper cites it.
    """

    name: str
    paper: str


PERCEPTCLIP = Method("PerceptCLIP", "Zalcher et al., Don't Judge Before You CLIP")
# Table 5 compares with the best of other tables, whoever that is.
PREVIOUS_BEST = Method("previous best", "the best of the rivals in Tables 1 and 4")

HYPERIQA = Method("HyperIQA", "Su et al. 2020")
MUSIQ = Method("MUSIQ", "Ke et al. 2021")
TRES = Method("TReS", "Golestaneh et al. 2022")
DEIQT = Method("DEIQT", "Qin et al. 2023")
LIQE = Method("LIQE", "Zhang et al. 2023")
RE_IQA = Method("Re-IQA", "Saha et al. 2023")
QPT = Method("QPT-ResNet50", "Zhao et al. 2023")
LODA = Method("LoDa", "Xu et al. 2024a")

MEMNET = Method("MemNet", "Khosla et al. 2015")
AMNET = Method("AMNet", "Fajtl et al. 2018")
LEONARDI = Method("Leonardi et al.", "Leonardi et al. 2019")
VITMEM = Method("ViTMem", "Hagen & Espeseth 2023")
SQUALLI_HOUSSAINI = Method("Squalli-Houssaini et al.", "Squalli-Houssaini et al. 2018")
RESMEM = Method("ResMem", "Needell & Bainbridge 2022")

MRCNN = Method("MRCNN", "Rao et al. 2019")
MDAN = Method("MDAN", "Xu et al. 2022")
STIMULI_VEA = Method("StimuliVEA", "Yang et al. 2021b")
PT_DPC = Method("PT-DPC", "Deng et al. 2024")
SIMEMOTION = Method("SimEmotion", "Deng et al. 2022")
MVP = Method("MVP", "Xu et al. 2024b")
