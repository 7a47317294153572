"""The page's third tab: what the maps are, how far to trust them, and why they matter."""

from html import escape

import gradio as gr

from camcore.methods.grad_cam import METHODS
from demo.about import text

_CHANNEL, _PLACE = "<mi>k</mi>", "<mi>i</mi><mi>j</mi>"


def build() -> gr.HTML:
    """The tab's content."""
    return gr.HTML(html(), elem_id="about")


def html() -> str:
    """All of the tab: five sections under headings of their own."""
    return "".join((_methods(), _trust(), _study(), _why(), _sources()))


def _methods() -> str:
    before, after = map(_p, text.ABOUT_MAP)
    entries = "".join(_method(method, said) for method, said in text.ABOUT_WEIGHTS.items())
    return _section(text.ABOUT_METHODS, before + _formulas(_MAP) + after + entries)


def _method(name: str, said: str) -> str:
    title = next(METHODS[method].title for method in METHODS if method == name)
    return f"<h3>{escape(title)}</h3>{_formulas(*_WEIGHTS[name])}{_p(said)}"


def _trust() -> str:
    limits = "".join(f"<h3>{escape(title)}</h3>{_p(said)}" for title, said in text.ABOUT_LIMITS.items())
    meanings = "".join(
        f"<dt>{escape(figure)}</dt><dd>{escape(said)}</dd>" for figure, said in text.ABOUT_FIGURE_MEANINGS.items()
    )
    figures = f"<h3>{escape(text.ABOUT_FIGURES)}</h3><dl>{meanings}</dl>{_p(text.ABOUT_FIGURES_NOTE)}"
    return _section(text.ABOUT_TRUST, limits + figures)


def _study() -> str:
    cases = "".join(
        f"<h3>{escape(bird)} <i>{escape(scientific)}</i></h3><p><strong>{escape(verdict)}.</strong> {escape(said)}</p>"
        for bird, scientific, verdict, said in text.ABOUT_CASES
    )
    return _section(text.ABOUT_STUDY, _p(text.ABOUT_STUDY_LEAD) + cases)


def _why() -> str:
    return _section(text.ABOUT_WHY, "".join(map(_p, text.ABOUT_WHY_TEXT)))


def _sources() -> str:
    entries = "".join(
        f'<li>{escape(authors)}. {escape(about)}. <a href="https://arxiv.org/abs/{number}" target="_blank" '
        f'rel="noopener noreferrer">arXiv {number}</a></li>'
        for authors, about, number in text.ABOUT_PAPERS
    )
    return _section(text.ABOUT_SOURCES, f"<ul>{entries}</ul>")


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2><div>{content}</div></section>"


def _p(said: str) -> str:
    """A paragraph, what stands between asterisks in italics: the letters of the formulas."""
    parts = (f"<i>{part}</i>" if number % 2 else part for number, part in enumerate(escape(said).split("*")))
    return f"<p>{''.join(parts)}</p>"


# Formulas, in MathML.


def _formulas(first: str, *others: str) -> str:
    """A formula, then those of the letters that are new in it."""
    drawn, *where = (f'<math display="block"><mrow>{row}</mrow></math>' for row in (first, *others))
    between = _p(text.ABOUT_WHERE) if where else ""
    return f'<div class="formulas">{drawn}{between}{"".join(where)}</div>'


def _sub(base: str, index: str) -> str:
    return f"<msub>{base}<mrow>{index}</mrow></msub>"


def _frac(above: str, below: str) -> str:
    return f"<mfrac><mrow>{above}</mrow><mrow>{below}</mrow></mfrac>"


def _sum(index: str, of: str) -> str:
    sign = '<mo largeop="false" movablelimits="false">∑</mo>'  # its size is the style sheet's: not every font has one
    return f'<munder>{sign}<mrow>{index}</mrow></munder><mspace width="0.25em"/>{of}'


def _relu(of: str) -> str:
    return f"<mi>ReLU</mi><mo>&#x2061;</mo><mrow><mo>(</mo>{of}<mo>)</mo></mrow>"


def _is(left: str, right: str) -> str:
    return f"{left}<mo>=</mo>{right}"


_A, _W, _S, _H = (_sub(f"<mi>{letter}</mi>", _CHANNEL) for letter in "AwSH")
_A_PLACE, _G_PLACE = (_sub(f"<mi>{letter}</mi>", _CHANNEL + _PLACE) for letter in "Ag")
_SLOPE = _frac("<mo>∂</mo><mi>y</mi>", f"<mo>∂</mo>{_A_PLACE}")
_EXP = "<msup><mi>e</mi>{}</msup>".format

_MAP = _is("<mi>map</mi>", _relu(_sum(_CHANNEL, f"{_W}{_A}")))
# The weight of channel k, then what is new in it.
_WEIGHTS: dict[str, tuple[str, ...]] = {
    "grad-cam": (_is(_W, _frac("<mn>1</mn>", "<mi>n</mi>") + _sum(_PLACE, _SLOPE)),),
    "grad-cam++": (
        _is(_W, _sum(_PLACE, _frac(_relu(_G_PLACE), f"<mn>2</mn><mo>+</mo>{_S}{_relu(_G_PLACE)}"))),
        _is(_G_PLACE, _SLOPE),
        _is(_S, _sum(_PLACE, _A_PLACE)),
    ),
    "score-cam": (
        _is(_W, _frac(_EXP(_sub("<mi>s</mi>", _CHANNEL)), _sum("<mi>m</mi>", _EXP(_sub("<mi>s</mi>", "<mi>m</mi>"))))),
        _is(_sub("<mi>s</mi>", _CHANNEL), f"<mi>y</mi><mo>(</mo><mi>x</mi><mo>⊙</mo>{_H}<mo>)</mo>"),
    ),
}
