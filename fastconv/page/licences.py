"""What is said of a dataset's licence, and how it is cited."""

from __future__ import annotations

from dataclasses import dataclass

TERMS_URL = "https://image-net.org/download.php"
# In our words; the terms themselves are where TERMS_URL says.
IMAGENET_TERMS = (
    "The database may be used for non-commercial research and educational purposes only.",
    "Princeton University and Stanford University warrant nothing about it: neither that it "
    "infringes nobody's rights, nor that it is fit for a purpose.",
    "Whoever uses it is fully responsible for that use, copies of copyrighted images that they "
    "make included, and indemnifies the ImageNet team and both universities against claims that "
    "arise from it.",
    "Research associates and colleagues may be given access once they have agreed to the same "
    "terms.",
    "The universities may end anybody's access at any time.",
    "Where a user works for a for-profit company, that employer is bound by the terms, too, and "
    "the user must be entitled to agree to them on its behalf.",
    "The law of the State of New Jersey applies to disputes.",
)
ILSVRC_CITATION = """\
@article{ILSVRC15,
  author  = {Olga Russakovsky and Jia Deng and Hao Su and Jonathan Krause and Sanjeev Satheesh and
             Sean Ma and Zhiheng Huang and Andrej Karpathy and Aditya Khosla and Michael Bernstein
             and Alexander C. Berg and Li Fei-Fei},
  title   = {{ImageNet Large Scale Visual Recognition Challenge}},
  journal = {International Journal of Computer Vision (IJCV)},
  year    = {2015},
  volume  = {115},
  number  = {3},
  pages   = {211--252},
  doi     = {10.1007/s11263-015-0816-y}
}"""
IMAGENET_CITATION = """\
@inproceedings{imagenet_cvpr09,
  author    = {Jia Deng and Wei Dong and Richard Socher and Li-Jia Li and Kai Li and Li Fei-Fei},
  title     = {{ImageNet: A Large-Scale Hierarchical Image Database}},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2009},
  pages     = {248--255},
  doi       = {10.1109/CVPR.2009.5206848}
}"""


@dataclass(frozen=True, slots=True)
class Licence:
    """``terms``: in sentences, or ``text``: as a person gave it; ``url``: where they stand;
    ``citations``: BibTeX, or whatever a person gave."""

    terms: tuple[str, ...] = ()
    text: str = ""
    url: str = ""
    citations: tuple[str, ...] = ()


def licence_of(is_imagenet: bool, licence: str | None, citation: str | None) -> Licence:
    """ImageNet's, of ImageNet's classes; what a person gave goes before it."""
    own = Licence(IMAGENET_TERMS, "", TERMS_URL, (ILSVRC_CITATION, IMAGENET_CITATION))
    base = own if is_imagenet else Licence()
    if licence is not None:
        base = Licence((), licence, "", base.citations)
    if citation is not None:
        base = Licence(base.terms, base.text, base.url, (citation,))
    return base
