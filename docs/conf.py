"""The documentation site: `make docs` builds it with Sphinx, MyST and Furo, and every warning is an error.

Pages are the Markdown files of this folder. What the program itself knows (commands, settings, the Python interface) is
read from the code while the site is built, so it cannot go stale. The site needs no network, neither to be built nor to
be read: formulas become MathML, and nothing comes from elsewhere.
"""

import os
import sys
from pathlib import Path

import deeper

sys.path.insert(0, str(Path(__file__).parent / "_site"))
# Help texts are rendered as they are at the widest, wherever the site is built.
os.environ["COLUMNS"] = "110"

project = "deeper"
project_copyright = "the authors of deeper, Apache-2.0"
version = release = deeper.__version__
language = "en"
# A flag is written with two hyphens.
smartquotes = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "accessible",
    "command_examples",
    "external_links",
    "mathml",
    "settings_reference",
]
exclude_patterns = ["_site", "results"]
show_warning_types = True

myst_enable_extensions = ["attrs_block", "attrs_inline", "deflist", "dollarmath"]
myst_fence_as_directive = ["math"]
# Links to headings, as other readers of Markdown make them, are checked down to this level.
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 90

html_theme = "furo"
html_title = "deeper"
html_static_path = ["_site/static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#0063a6",
        "color-brand-content": "#0063a6",
        "color-brand-visited": "#6b3fa0",
    },
    "dark_css_variables": {
        "color-brand-primary": "#6db8ff",
        "color-brand-content": "#6db8ff",
        "color-brand-visited": "#c4a3f5",
    },
}
