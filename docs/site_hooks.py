"""Hooks of mkdocs.yml: pages of the repository that lie outside docs/, links between them, and the API reference.

The pages are the same files that are read in the repository. What a page links to outside docs/ becomes part of the
site, and `<!-- api: NAME -->`, which is not seen there, becomes the reference made from NAME's docstring.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "project.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "checkpoints/README.md": "shipped-bank.md",
    "checkpoints/vgg19/README.md": "loss-network.md",
    "data/README.md": "data.md",
}
"""Pages outside docs/, by their path in the repository -> their place on the site."""

_LINK = re.compile(r"(\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?(\))")
_API = re.compile(r"^<!-- api: ([\w.]+) -->$", re.M)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages outside docs/, and every other file that a page links to."""
    for path, place in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / path)))
    for page in files.documentation_pages():
        source = Path(page.abs_src_path or "")
        for target in _targets(source):
            place = _place(target)
            if place not in files.src_uris and target.is_file():
                files.append(File.generated(config, place, abs_src_path=str(target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """The page with links as they are on the site, and with directives for the API reference."""
    source = Path(page.file.abs_src_path or "")

    def there(link: re.Match[str]) -> str:
        place = _place((source.parent / link[2]).resolve())
        relative = os.path.relpath(place, Path(page.file.src_uri).parent).replace(os.sep, "/")
        return f"{link[1]}{relative}{link[3] or ''}{link[4]}"

    return _API.sub(r"::: \1", _LINK.sub(there, markdown))


def _targets(source: Path) -> set[Path]:
    text = source.read_text(encoding="utf-8")
    return {(source.parent / link[2]).resolve() for link in _LINK.finditer(text)}


def _place(target: Path) -> str:
    """Where a file of the repository is on the site."""
    path = target.relative_to(ROOT).as_posix()
    return PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else f"files/{path}")
