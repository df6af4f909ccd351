"""What the measuring scripts share: where things are, how they are built, and simulated orgs in a process of their own."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Output files are on the disk of the target folder: /tmp is memory on many machines, where fsync costs nothing.
SCRATCH = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
BINARIES = SCRATCH / "release"


def build():
    """Builds every program of the workspace."""
    command = ["cargo", "build", "--release", "--locked", "--workspace", "--bins"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr)


@contextlib.contextmanager
def scratch_folder(prefix):
    """A folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix=f"{prefix}-", dir=SCRATCH) as name:
        yield pathlib.Path(name)


@contextlib.contextmanager
def simulated_orgs(token, options, count=1):
    """Simulated orgs in one process of their own; gives their URLs. One of several has the token `TOKEN-NUMBER`."""
    command = [BINARIES / "okta-sim", "--listen", "127.0.0.1:0", "--token", token, "--orgs", count, *options]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    try:
        yield [url_in(process.stdout.readline()) for _ in range(count)]
    finally:
        process.terminate()
        process.wait()


def url_in(line):
    """What a line of the simulator names."""
    url = line.removeprefix("listening on ").strip()
    if not url.startswith("http://"):
        raise SystemExit(f"okta-sim should say where it listens, and said {line!r}")
    return url
