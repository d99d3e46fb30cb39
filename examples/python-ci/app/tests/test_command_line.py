"""The command as a user meets it: real files in, lines and an exit code out."""

# ruff: noqa: PT009

import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from mdlinks.command_line import main


class CommandLineTest(unittest.TestCase):
    """Each test has a folder of its own."""

    def setUp(self):
        """Make the folder."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, **files):
        """Write Markdown files, by their names without the ending."""
        for name, text in files.items():
            (self.folder / f"{name}.md").write_text(text, encoding="utf-8")

    def run_command(self, *arguments):
        """Return the exit code and the lines on standard output."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
            code = main([str(argument) for argument in arguments])
        return code, output.getvalue().splitlines()

    def test_all_links_lead_somewhere(self):
        """Files, folders, headings here and there, percent signs; other schemes are not followed."""
        self.write(
            one="# One\n[two](two.md#the-end) [here](#one) [up](.) [web](https://example.com/nothing) [root](/two.md)",
            two="# The end\n[a](with%20blank.md)",
        )
        (self.folder / "with blank.md").touch()
        code, lines = self.run_command("--root", self.folder, self.folder)
        self.assertEqual((code, lines), (0, ["5 links in 3 files checked, 0 broken"]))

    def test_a_missing_file_and_a_missing_heading(self):
        """Each is one line with file and line number."""
        self.write(one="\n[a](gone.md)\n[b](one.md#gone)\n")
        code, lines = self.run_command(self.folder / "one.md")
        one = self.folder / "one.md"
        self.assertEqual(code, 1)
        self.assertEqual(
            lines,
            [
                f"{one}:2: gone.md: no such file",
                f"{one}:3: one.md#gone: no such heading",
                "2 links in 1 files checked, 2 broken",
            ],
        )

    def test_hidden_folders_are_left_out(self):
        """What lies in .git and the like is nobody's documentation."""
        (self.folder / ".hidden").mkdir()
        (self.folder / ".hidden" / "one.md").write_text("[a](gone.md)", encoding="utf-8")
        self.assertEqual(self.run_command(self.folder), (0, ["0 links in 0 files checked, 0 broken"]))

    def test_a_path_that_is_not_there(self):
        """Bad usage is exit code 2."""
        self.assertEqual(self.run_command(self.folder / "gone.md"), (2, []))

    def test_a_file_that_is_not_text(self):
        """So is a file that cannot be read as UTF-8."""
        (self.folder / "one.md").write_bytes(b"\xff\xfe")
        self.assertEqual(self.run_command(self.folder), (2, []))


if __name__ == "__main__":
    unittest.main()
