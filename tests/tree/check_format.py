#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Whether the sources are as clang-format leaves them (.clang-format)."""
import re
import shutil
import subprocess
import sys

import tree


def main():
    if not shutil.which("clang-format"):
        print("1..0 # SKIP no clang-format")
        sys.exit(0)
    tap = tree.Tap()
    for folder in tree.EVERYTHING:
        paths = tree.files(folder, ".c", ".h")
        problems = []
        if paths:
            result = subprocess.run(["clang-format", "--dry-run", "--Werror"] + paths,
                                    cwd=tree.TOP, capture_output=True, text=True, check=False)
            problems = [line for line in result.stderr.splitlines()
                        if re.search(r":\d+:\d+: ", line)]
            if result.returncode and not problems:
                problems = result.stderr.splitlines()
        tap.point("%s is formatted" % folder, problems)
    tap.end()


main()
