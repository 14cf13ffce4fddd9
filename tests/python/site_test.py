"""The documents as a site: its links, its order and its search. Run by `tests/all`, or by hand with mdBook on the PATH.

SITE_MERMAID may name `mermaid.min.js`, which draws the diagrams.
"""

import html.parser
import os
import pathlib
import subprocess
import tempfile
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "deploy/site/build"
# Prints the pages on which the search of the site finds the words, the best first.
SEARCH = """
const fs = require("fs"), vm = require("vm");
const [folder, words] = process.argv.slice(1);
const script = (name) => fs.readFileSync(`${folder}/${fs.readdirSync(folder).find((file) => file.startsWith(name))}`, "utf8");
const window = { search: {} };
vm.runInNewContext(`${script("elasticlunr")}; window.elasticlunr = elasticlunr; ${script("searchindex")}`, { window, console });
const { index, results_options, search_options, doc_urls } = window.search;
const found = window.elasticlunr.Index.load(index).search(words, search_options);
found.slice(0, results_options.limit_results).forEach(({ ref }) => console.log(doc_urls[ref]));
"""


class Page(html.parser.HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.places = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.targets += [attributes[name] for name in ("href", "src") if attributes.get(name)]
        self.places |= {attributes[name] for name in ("id", "name") if attributes.get(name)}


class SiteTest(unittest.TestCase):
    """Built once, by the real mdBook."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.site = pathlib.Path(folder.name) / "site"
        mermaid = os.environ.get("SITE_MERMAID")
        subprocess.run([BUILD, cls.site, *([mermaid] if mermaid else [])], check=True, capture_output=True, text=True)
        cls.pages = {path.relative_to(cls.site): Page(path) for path in cls.site.rglob("*.html")}

    def found(self, words):
        """The pages that the search finds, each once."""
        run = subprocess.run(["node", "-e", SEARCH, self.site, words], check=True, capture_output=True, text=True)
        return list(dict.fromkeys(line.partition("#")[0] for line in run.stdout.splitlines()))

    def test_every_document_is_a_page(self):
        documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
        for document in documents:
            page = document.relative_to(ROOT).with_suffix(".html")
            page = page.with_name("index.html") if page.stem == "README" else page
            self.assertIn(page, self.pages)
            self.assertIn(str(page), (self.site / "toc.html").read_text())

    def test_every_link_leads_to_a_file_and_a_place(self):
        wrong = []
        for name, page in self.pages.items():
            for target in page.targets:
                parts = urllib.parse.urlsplit(target)
                # The page for addresses that do not exist has absolute links, which depend on where the site is.
                if parts.scheme or name.name == "404.html":
                    continue
                path = (self.site / name.parent / parts.path).resolve() if parts.path else self.site / name
                place = urllib.parse.unquote(parts.fragment)
                other = self.pages.get(path.relative_to(self.site)) if path.is_relative_to(self.site) else None
                if not path.exists() or place and other and place not in other.places:
                    wrong.append(f"{name}: {target}")
        self.assertEqual(wrong, [])

    def test_the_pages_are_in_the_order_of_the_list_of_documents(self):
        headings = [line.removeprefix("## ") for line in (ROOT / "docs/README.md").read_text().splitlines() if line.startswith("## ")]
        contents = (self.site / "toc.html").read_text()
        places = [contents.find(f'<li class="part-title">{heading}</li>') for heading in headings]
        shown = [place for place in places if place >= 0]
        self.assertEqual(shown, sorted(shown))
        self.assertGreaterEqual(len(shown), 6)

    def test_the_search_finds_the_document_of_each_task(self):
        for words, page in [
            ("overlap", "docs/overlaps.html"),
            ("missing key pepper", "docs/pepper.html"),
            ("PASSWORD_REUSED", "docs/errors.html"),
            ("restore backup", "docs/backups.html"),
            ("why sqlite", "docs/decisions/store.html"),
        ]:
            self.assertIn(page, self.found(words), words)

    def test_a_diagram_is_drawn_by_the_script_that_is_there(self):
        page = (self.site / "docs/architecture.html").read_text()
        self.assertIn('class="language-mermaid"', page)
        scripts = [target for target in self.pages[pathlib.Path("docs/architecture.html")].targets if target.endswith(".js")]
        names = ["mermaid", "diagrams"] if "SITE_MERMAID" in os.environ else ["diagrams"]
        for name in names:
            self.assertTrue(any(name in script for script in scripts), scripts)

    def test_a_folder_that_is_not_empty_is_left_alone(self):
        with tempfile.TemporaryDirectory() as folder:
            kept = pathlib.Path(folder) / "kept"
            kept.write_text("mine")
            run = subprocess.run([BUILD, folder], capture_output=True, text=True)
            self.assertNotEqual(run.returncode, 0)
            self.assertIn("is not empty", run.stderr)
            self.assertEqual(kept.read_text(), "mine")


if __name__ == "__main__":
    unittest.main()
