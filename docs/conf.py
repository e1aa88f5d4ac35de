"""Sphinx: ``make docs`` builds the site, without a network; a warning is an error."""

import os
import sys
import tomllib
import warnings
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(DOCS / "_ext"), str(ROOT)]

from rl_coordconv.version import __version__  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]

# sphinx-autodoc-typehints still calls what Sphinx 10 will not have.
warnings.filterwarnings("ignore", message=".*set_application", category=DeprecationWarning)

project = PROJECT["name"]
author = PROJECT["authors"][0]["name"]
project_copyright = author
release = version = __version__
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_autodoc_typehints",  # after napoleon
    "sphinx.ext.intersphinx",
    "sphinx_copybutton",
    "command_flags",
    "repository_links",
    "short_names",
]
exclude_patterns = ["_build"]

# A page of the site beside the file at the repository's top that it shows.
repository_pages = {
    "project/changelog": "CHANGELOG.md",
    "project/contributing": "CONTRIBUTING.md",
    "project/security": "SECURITY.md",
}
# Where files that are no pages can be read; without an address the site carries them itself.
repository_url = PROJECT.get("urls", {}).get("Source")

myst_enable_extensions = ["deflist", "colon_fence"]
myst_heading_anchors = 4
smartquotes = False  # "--flag" is no dash
highlight_language = "text"  # of blocks that name no language: commands and what they print

add_module_names = False
autodoc_member_order = "bysource"
always_use_bars_union = True
typehints_use_rtype = False
typehints_document_rtype_none = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_custom_sections = ["Shape", "Source"]
default_role = "py:obj"

# The inventories of our neighbours lie in the network: links to them where a build asks for them.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
        "gymnasium": ("https://gymnasium.farama.org", None),
        "stable_baselines3": ("https://stable-baselines3.readthedocs.io/en/master", None),
    }
    if os.environ.get("DOCS_INTERSPHINX")
    else {}
)

html_theme = "furo"
html_title = f"rl-coordconv {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = False
