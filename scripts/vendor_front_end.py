"""Copy the front-end libraries of the reports out of their npm packages, unchanged.

    python scripts/vendor_front_end.py        # needs npm; writes src/deeper/report/pages/vendor/

`vendor.json` pins the version of each package, the SHA-512 that npm publishes for its archive, and the SHA-256 of the
file. To take another version, change all three there and run this again.
"""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "src" / "deeper" / "report" / "pages" / "vendor"


def main() -> None:
    """Fetch, check, write."""
    for library in json.loads((FOLDER / "vendor.json").read_text("utf-8")):
        with tempfile.TemporaryDirectory() as folder:
            wanted = f"{library['package']}@{library['version']}"
            subprocess.run(["npm", "pack", "--silent", wanted], cwd=folder, check=True, capture_output=True)
            [archive] = Path(folder).glob("*.tgz")
            content = archive.read_bytes()
        digest = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
        if digest != library["integrity"]:
            sys.exit(f"{wanted} has the integrity {digest}, not {library['integrity']}")
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for source, name in ((library["source"], library["file"]), ("LICENSE", library["licence_file"])):
                member = archive.extractfile(f"package/{source}")
                if member is None:
                    sys.exit(f"{wanted} has no {source}")
                (FOLDER / name).write_bytes(member.read())
        if hashlib.sha256((FOLDER / library["file"]).read_bytes()).hexdigest() != library["sha256"]:
            sys.exit(f"{library['file']} is not the pinned one")
        print(f"{wanted}: {library['file']}")


if __name__ == "__main__":
    main()
