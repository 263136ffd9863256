"""Formulas as MathML, which browsers draw by themselves: no script, no font, no request."""

from xml.etree import ElementTree

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

LOGGER = logging.getLogger(__name__)


def mathml(node: nodes.math | nodes.math_block, display: str) -> str:
    """The formula of a node; what the converter leaves as it is, it has not understood."""
    found = convert(node.astext(), display=display)
    try:
        said = "".join(ElementTree.fromstring(found).itertext())
    except ElementTree.ParseError as error:
        said = f"\\ ({error})"
    if "\\" in said:
        LOGGER.warning("the formula cannot be drawn: %s", node.astext(), location=node)
    return found


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    """A formula in a line."""
    translator.body.append(mathml(node, "inline"))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """A formula of its own; a screen may be narrower than it."""
    translator.body.append(f'<div class="formula">{mathml(node, "block")}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Give Sphinx a renderer of this name."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
